"""Cron expressions as Kubeflow Pipelines reads them: six fields, seconds first.

Its server and its controller use robfig/cron v1 (`Parse`, v1.2.0), which also takes five fields and
then reads the minutes as seconds; here five are refused. Times are UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import NamedTuple

from serving.errors import InputError, nearest

FLAG = "--cron"
YEARS_AHEAD = 5  # after which robfig/cron stops to look for a time


class Field(NamedTuple):
    """One of the six: what it counts, its least and greatest number, and words for numbers."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()  # the first for `low`; case does not matter

    def number(self, word: str) -> int:
        """What a word stands for; -1, which no field takes: nothing."""
        if word.lower() in self.names:
            return self.names.index(word.lower()) + self.low
        return int(word) if word[-1].isdecimal() else -1


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
# FIRST-LAST, FIRST, * or ?, and /STEP; what follows a star with a hyphen counts for nothing.
_NUMBER = r"(\+?[0-9]+|[a-z]+)"
_ITEM = re.compile(rf"(?:[*?](?:-[^/]*)?|{_NUMBER}(?:-{_NUMBER})?)(?:/(\+?[0-9]+))?", re.IGNORECASE)
# Go's time.ParseDuration.
_DURATION_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"[-+]?(0|({_DURATION_PART})+)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Times:
    """When something is due: numbers for each field, or a period.

    Attributes:
        numbers: for each of FIELDS, those that match.
        any_day: whether the days of the month or those of the week hold a `*` or `?`; then a day
            has to match both fields, else one of them.
        period: time from one to the next instead; None: by the fields.
    """

    numbers: tuple[frozenset[int], ...] = ()
    any_day: bool = True
    period: timedelta | None = None

    def after(self, start: datetime) -> Iterator[datetime]:
        """The times after a moment, the nearest first; none further away than YEARS_AHEAD."""
        start = start.astimezone(UTC).replace(microsecond=0)
        if self.period is not None:
            while True:
                start += self.period
                yield start
        day = start.replace(hour=0, minute=0, second=0)
        while day.year <= start.year + YEARS_AHEAD:
            if self._on(day):
                yield from (moment for moment in self._within(day) if moment > start)
            day += timedelta(days=1)

    def _on(self, day: datetime) -> bool:
        _, _, _, days, months, weekdays = self.numbers
        matches = (day.day in days, day.isoweekday() % 7 in weekdays)
        return day.month in months and (all(matches) if self.any_day else any(matches))

    def _within(self, day: datetime) -> Iterator[datetime]:
        for hour, minute, second in product(*map(sorted, self.numbers[2::-1])):
            yield day.replace(hour=hour, minute=minute, second=second)


def parse(text: str, now: datetime | None = None) -> Times:
    """Reads an expression.

    Args:
        text: six fields, `@daily` and its kind, or `@every 90m`.
        now: the moment after which it has to come true; None: this one.

    Raises:
        InputError: it is none, has five fields, or never comes true.
    """
    times = _every(text) if text.startswith(EVERY) else _fields(DESCRIPTORS.get(text, text), text)
    if not next_times(times, 1, now):
        found = f"none in the next {YEARS_AHEAD} years"
        raise InputError(f"{FLAG} '{text}'", expected="a time that comes", found=found)
    return times


def next_times(times: Times, count: int = 3, now: datetime | None = None) -> list[datetime]:
    """The next times, in UTC."""
    return list(islice(times.after(now or datetime.now(UTC)), count))


def _fields(text: str, given: str) -> Times:
    if text.startswith("@"):
        raise InputError(
            f"{FLAG} '{given}'",
            expected=f"six fields, '@every DURATION' or one of {', '.join(DESCRIPTORS)}",
            found="another word",
            todo=nearest(given, DESCRIPTORS),
        )
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise _wrong_count(given, fields)
    # Empty items of a list are passed over.
    items = [[item for item in part.split(",") if item] for part in fields]
    numbers = tuple(
        frozenset(number for item in listed for number in _range(item, field, given))
        for listed, field in zip(items, FIELDS, strict=True)
    )
    return Times(numbers, any(item[0] in "*?" for item in (*items[3], *items[5])))


def _wrong_count(text: str, fields: list[str]) -> InputError:
    found = str(len(fields))
    todo = "times are UTC, without a zone" if "TZ=" in text else ""
    if len(fields) == len(FIELDS) - 1 and not todo:
        found = "5, which Kubeflow Pipelines would read as if the minutes were seconds"
        # Elsewhere Sunday may be 7.
        meant = " ".join(["0", *fields[:-1], "0" if fields[-1] == "7" else fields[-1]])
        try:
            _fields(meant, meant)
            todo = f"did you mean '{meant}'?"
        except InputError:
            todo = "put the seconds first, 0"
    names = ", ".join(field.name for field in FIELDS)
    return InputError(f"{FLAG} '{text}'", expected=f"six fields: {names}", found=found, todo=todo)


def _range(item: str, field: Field, text: str) -> range:
    """The numbers of one item; FIRST/STEP goes on to the greatest."""
    found = _ITEM.fullmatch(item)
    if found is None:
        raise _wrong(item, field, text)
    first, last, step = found.groups()
    low = field.number(first) if first else field.low
    open_end = not first or (step and not last)
    high = field.high if open_end else field.number(last or first)
    if not field.low <= low <= high <= field.high or int(step or 1) == 0:
        raise _wrong(item, field, text)
    return range(low, high + 1, int(step or 1))


def _wrong(item: str, field: Field, text: str) -> InputError:
    words = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
    sunday = field.names == DAYS and re.search(r"\b7\b", item.partition("/")[0])
    return InputError(
        f"{FLAG} '{text}': {field.name}",
        expected=f"*, {field.low} to {field.high}{words}, ranges like LOW-HIGH, steps like */STEP",
        found=f"'{item}'",
        todo="Sunday is 0" if sunday else "",
    )


def _every(text: str) -> Times:
    duration = text.removeprefix(EVERY)
    if not _DURATION.fullmatch(duration):
        raise InputError(
            f"{FLAG} '{text}'", expected="'@every' and a duration like 90m or 1h30m", found=duration
        )
    parts = re.findall(_DURATION_PART, duration)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    # Parts of a second are dropped; one is the least.
    whole = 0 if duration.startswith("-") else int(seconds + 1e-9)
    return Times(period=timedelta(seconds=max(whole, 1)))
