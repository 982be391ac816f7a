"""Cron expressions as Kubeflow Pipelines reads them: six fields, seconds first.

Its server and its controller use robfig/cron v1 (`Parse`, v1.2.0), which also takes five fields and
then reads the minutes as seconds; here five are refused. Times are UTC.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import NamedTuple

from serving.errors import InputError, nearest

YEARS_AHEAD = 5  # after which robfig/cron stops to look for a time


class Field(NamedTuple):
    """One of the six: what it counts, its least and greatest number, and words for numbers."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()  # the first for `low`; case does not matter

    def number(self, text: str) -> int:
        """What a text stands for; -1, which no field takes: nothing."""
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.low
        return int(text) if text.isdecimal() else -1


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = (
    Field("seconds", 0, 59),
    Field("minutes", 0, 59),
    Field("hours", 0, 23),
    Field("days of the month", 1, 31),
    Field("months", 1, 12, MONTHS),
    Field("days of the week", 0, 6, DAYS),
)
DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
EVERY = "@every "
# FIRST-LAST, FIRST, * or ?, and /STEP.
_ITEM = re.compile(r"(?:[*?]|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:/([1-9][0-9]*))?", re.I)


def next_times(text: str, count: int = 3, now: datetime | None = None) -> list[datetime]:
    """The next times of an expression, in UTC; none further away than YEARS_AHEAD.

    Args:
        text: six fields, `@daily` and its kind, or `@every 90m`.
        count: how many, at most.
        now: the moment after which they come; None: this one.

    Raises:
        InputError: it is no expression, has five fields, or never comes true.
    """
    start = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    if text.startswith(EVERY):
        period = _period(text)
        return [start + number * period for number in range(1, count + 1)]
    if text.startswith("@") and text not in DESCRIPTORS:
        expected = f"six fields, '@every DURATION' or one of {', '.join(DESCRIPTORS)}"
        todo = nearest(text, DESCRIPTORS)
        raise InputError(f"--cron '{text}'", expected=expected, found="another word", todo=todo)
    times = list(islice(_times(DESCRIPTORS.get(text, text), start), count))
    if not times:
        found = f"none in the next {YEARS_AHEAD} years"
        raise InputError(f"--cron '{text}'", expected="a time that comes", found=found)
    return times


def _times(text: str, start: datetime) -> Iterator[datetime]:
    seconds, minutes, hours, days, months, weekdays = _numbers(text)
    # With a star in one of its two fields, a day has to match both of them, else one.
    starred = any(item[0] in "*?" for field in text.split()[3::2] for item in field.split(","))
    enough = all if starred else any
    day = start.replace(hour=0, minute=0, second=0)
    while day.year <= start.year + YEARS_AHEAD:
        if day.month in months and enough((day.day in days, day.isoweekday() % 7 in weekdays)):
            for hour, minute, second in product(hours, minutes, seconds):
                moment = day.replace(hour=hour, minute=minute, second=second)
                if moment > start:
                    yield moment
        day += timedelta(days=1)


def _numbers(text: str) -> list[list[int]]:
    """For each of FIELDS, the numbers that match, in order."""
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise _wrong_count(text, fields)
    return [
        sorted({number for item in part.split(",") for number in _range(item, field, text)})
        for part, field in zip(fields, FIELDS, strict=True)
    ]


def _wrong_count(text: str, fields: list[str]) -> InputError:
    found = str(len(fields))
    todo = "times are UTC, without a zone" if "TZ=" in text else ""
    if len(fields) == len(FIELDS) - 1 and not todo:
        found = "5, which Kubeflow Pipelines would read as if the minutes were seconds"
        # Elsewhere Sunday may be 7.
        meant = " ".join(["0", *fields[:-1], "0" if fields[-1] == "7" else fields[-1]])
        try:
            _numbers(meant)
            todo = f"did you mean '{meant}'?"
        except InputError:
            todo = "put the seconds first, 0"
    names = ", ".join(field.name for field in FIELDS)
    return InputError(f"--cron '{text}'", expected=f"six fields: {names}", found=found, todo=todo)


def _range(item: str, field: Field, text: str) -> range:
    """The numbers of one item; FIRST/STEP goes on to the greatest."""
    if found := _ITEM.fullmatch(item):
        first, last, step = found.groups()
        low = field.number(first) if first else field.low
        open_end = not first or (step and not last)
        high = field.high if open_end else field.number(last or first)
        if field.low <= low <= high <= field.high:
            return range(low, high + 1, int(step or 1))
    words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
    raise InputError(
        f"--cron '{text}': {field.name}",
        expected=f"*, {field.low} to {field.high}{words}, ranges like LOW-HIGH, steps like */STEP",
        found=f"'{item}'",
        todo="Sunday is 0" if field.words == DAYS and "7" in item.partition("/")[0] else "",
    )


def _period(text: str) -> timedelta:
    """Of Go's durations, those in whole hours, minutes and seconds."""
    duration = text.removeprefix(EVERY)
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", duration)
    hours, minutes, seconds = map(int, found.groups("0")) if found else (0, 0, 0)
    if period := timedelta(hours=hours, minutes=minutes, seconds=seconds):
        return period
    expected = "'@every' and a duration like 90m or 1h30m"
    raise InputError(f"--cron '{text}'", expected=expected, found=duration)
