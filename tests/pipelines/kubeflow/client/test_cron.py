"""Expressions and their times as robfig/cron v1 has them; the cases with dates are its own."""

from datetime import UTC, datetime

import pytest

from pipelines.kubeflow.client.cron import next_times
from serving.errors import InputError


def at(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "text", "due"),
    [
        ("2012-07-09 14:45:00", "0 0/15 * * * *", "2012-07-09 15:00:00"),
        ("2012-07-09 14:59:59", "0 0/15 * * * *", "2012-07-09 15:00:00"),
        ("2012-07-09 23:35:51", "15/35 20-35/15 * * * *", "2012-07-10 00:20:15"),
        ("2012-07-09 23:35:51", "15/35 20-35/15 1/2 * * *", "2012-07-10 01:20:15"),
        ("2012-07-09 23:35:51", "15/35 20-35/15 1/2 */2 * *", "2012-07-11 01:20:15"),
        ("2012-07-09 23:35:00", "0 0 0 9 Apr-Oct ?", "2012-08-09 00:00:00"),
        ("2012-07-09 23:35:00", "0 0 0 */5 Apr,Aug,Oct Mon", "2012-08-06 00:00:00"),
        ("2012-07-09 23:35:00", "0 0 0 * Feb Mon/2", "2013-02-01 00:00:00"),
        ("2012-12-31 23:59:45", "0 * * * * *", "2013-01-01 00:00:00"),
        ("2012-07-09 23:35:00", "0 0 0 29 Feb ?", "2016-02-29 00:00:00"),
        # One of two days is enough, unless one of them is a star.
        ("2012-06-14 12:00:00", "0 0 0 1,15 * Sun", "2012-06-15 00:00:00"),
        ("2012-06-15 12:00:00", "0 0 0 1,15 * Sun", "2012-06-17 00:00:00"),
        ("2012-07-14 12:00:00", "0 0 0 */10 * Sun", "2012-10-21 00:00:00"),
        ("2012-07-09 15:00:00", "@hourly", "2012-07-09 16:00:00"),
        ("2012-07-09 15:00:00", "@weekly", "2012-07-15 00:00:00"),
        ("2012-07-09 15:00:00", "@annually", "2013-01-01 00:00:00"),
        ("2012-07-09 15:00:00", "@every 1h30m", "2012-07-09 16:30:00"),
    ],
)
def test_the_next_time(start, text, due):
    assert next_times(text, 1, at(start)) == [at(due)]


def test_three_times_follow_each_other():
    times = next_times("0 0 3 * * *", now=at("2026-02-27 03:00:00"))
    assert times == [at(f"{day} 03:00:00") for day in ("2026-02-28", "2026-03-01", "2026-03-02")]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("0 3 * * *", "did you mean '0 0 3 * * *'?"),
        ("*/10 * * * mon-fri", "did you mean '0 */10 * * * mon-fri'?"),
        ("0 3 * * 7", "did you mean '0 0 3 * * 0'?"),
        ("0 33 * * *", "put the seconds first, 0"),
    ],
)
def test_five_fields_are_refused_with_the_six_that_are_meant(text, hint):
    with pytest.raises(InputError) as error:
        next_times(text)
    assert "expected six fields: seconds, minutes, " in str(error.value)
    assert str(error.value).endswith(f"as if the minutes were seconds; {hint}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("60 * * * * *", "seconds: expected *, 0 to 59"),
        ("* * 24 * * *", "hours: expected *, 0 to 23"),
        ("* * * 0 * *", "days of the month: expected *, 1 to 31"),
        ("* * * L * *", "days of the month: expected *, 1 to 31"),
        ("* * * * 13 *", "months: expected *, 1 to 12 or jan to dec"),
        ("* * * * * 7", "found '7'; Sunday is 0"),
        ("* * * * * monday", "days of the week: expected *, 0 to 6 or sun to sat"),
        ("* * mon * * *", "hours: expected"),
        ("10-5 * * * * *", "found '10-5'"),
        ("1/2/3 * * * * *", "found '1/2/3'"),
        ("*/0 * * * * *", "found '*/0'"),
        ("-5 * * * * *", "found '-5'"),
        ("0 0 0 30 2 *", "found none in the next 5 years"),
        ("5,,7 * * * * *", "seconds: expected *, 0 to 59"),
        ("@dayly", "did you mean '@daily'?"),
        ("@every 0s", "expected '@every' and a duration like 90m"),
        ("@every day", "expected '@every' and a duration like 90m"),
        ("TZ=UTC 0 0 3 * * *", "times are UTC, without a zone"),
        ("", "expected six fields"),
    ],
)
def test_wrong_expressions(text, line):
    with pytest.raises(InputError) as error:
        next_times(text)
    assert str(error.value).startswith(f"--cron '{text}'")
    assert line in str(error.value)
