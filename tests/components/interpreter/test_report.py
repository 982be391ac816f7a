import math

import pytest

from components.interpreter.report import format_change, format_duration, format_number, pivot


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8734567, "0.873"),
        (0.0, "0.000"),
        (0.0000312, "3.1e-05"),
        (-0.0000312, "\N{MINUS SIGN}3.1e-05"),
        (-0.25, "\N{MINUS SIGN}0.250"),
        (12345.6, "12,346"),
        (721857, "721,857"),
        (0, "0"),
        (None, "\N{EN DASH}"),
        (math.nan, "NaN"),
    ],
)
def test_format_number(value, text):
    assert format_number(value) == text


def test_format_change_and_duration():
    assert format_change(0.0123) == "+0.012"
    assert format_change(-0.0123) == "\N{MINUS SIGN}0.012"
    assert format_change(0.0) == "0.000"
    assert format_duration(4.23) == "4.2 s"
    assert format_duration(185) == "3 min 5 s"
    assert format_duration(2952) == "49 min"
    assert format_duration(7800) == "2 h 10 min"


def test_pivot_leaves_gaps_open(kit):
    portrait = kit.figure("accuracy", 0.9, slice="o=portrait", examples=7)
    square = kit.figure("recall", 0.8, slice="o=square", examples=5, of="cat")
    assert pivot([portrait, square], "slice") == {
        "title": "By slice",
        "columns": ["accuracy", "recall (cat)"],
        "rows": [
            {"name": "o=portrait", "examples": 7, "cells": [portrait, None]},
            {"name": "o=square", "examples": 5, "cells": [None, square]},
        ],
    }
