"""Cron expressions as Kubeflow Pipelines reads them: six fields, seconds first.

Its server and its controller use robfig/cron v1 (`Parse`, v1.2.0), which also takes five fields and
then reads the minutes as seconds; here five are refused. Times are UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from serving.errors import InputError, nearest

FLAG = "--cron"
YEARS_AHEAD = 5  # after which robfig/cron stops to look for a time


@dataclass(frozen=True)
class Field:
    """One of the six.

    Attributes:
        name: what it counts.
        low, high: the least and the greatest number it takes.
        names: words for numbers, the first for `low`; case does not matter.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


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
# Go's time.ParseDuration.
_DURATION = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
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
        seconds, minutes, hours = (sorted(found) for found in self.numbers[:3])
        for hour in hours:
            for minute in minutes:
                for second in seconds:
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
    if not list(islice(times.after(now or datetime.now(UTC)), 1)):
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
    numbers = tuple(
        _numbers(part, field, given) for part, field in zip(fields, FIELDS, strict=True)
    )
    return Times(numbers, any_day=any(_is_star(part) for part in (fields[3], fields[5])))


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


def _is_star(part: str) -> bool:
    return any(re.split("[-/]", item)[0] in ("*", "?") for item in part.split(","))


def _numbers(part: str, field: Field, text: str) -> frozenset[int]:
    # Empty items of a list are passed over.
    items = [item for item in part.split(",") if item]
    return frozenset(number for item in items for number in _range(item, field, text))


def _range(item: str, field: Field, text: str) -> range:
    """NUMBER, LOW-HIGH, * or ?, each with /STEP; NUMBER/STEP goes on to the greatest."""
    span, *steps = item.split("/")
    ends = span.split("-")
    if ends[0] in ("*", "?"):
        low, high = field.low, field.high
    elif len(ends) > 2 or len(steps) > 1:
        raise _wrong(item, field, text)
    else:
        low, high = _number(ends[0], item, field, text), _number(ends[-1], item, field, text)
        if steps and len(ends) == 1:
            high = field.high
    step = _integer(steps[0]) if len(steps) == 1 else 1 if not steps else None
    if not field.low <= low <= high <= field.high or not step:
        raise _wrong(item, field, text)
    return range(low, high + 1, step)


def _number(word: str, item: str, field: Field, text: str) -> int:
    if word.lower() in field.names:
        return field.names.index(word.lower()) + field.low
    number = _integer(word)
    if number is None:
        raise _wrong(item, field, text)
    return number


def _integer(word: str) -> int | None:
    """As Go's strconv.Atoi; a minus cannot come here."""
    return int(word) if re.fullmatch(r"\+?[0-9]+", word) else None


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
    parts = _DURATION_PART.findall(duration)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    # Parts of a second are dropped; one is the least.
    whole = 0 if duration.startswith("-") else int(seconds + 1e-9)
    return Times(period=timedelta(seconds=max(whole, 1)))
