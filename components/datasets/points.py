"""The layout `blobs`: points on a plane in CSV files, read with the standard library alone.

Every line below a file's header is one point, blank lines left out. What a line's text already
tells to be unusable is listed too, with its problem, so that it can be counted.
"""

import csv
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components import features
from components.datasets import layouts
from serving.errors import InputError

COLUMNS = ("x", "y", "label")

UNREADABLE_ROW = "unreadable row"
MISSING_COLUMN = "missing column"
SURPLUS_COLUMN = "surplus column"
NOT_A_NUMBER = "not a number"
NOT_FINITE = "not finite"
UNKNOWN_LABEL = "unknown label"


@dataclass(frozen=True)
class Point:
    """One row of a data set.

    Attributes:
        path: of the file relative to the data folder, and the line's number from 1:
            `points.csv:2`.
        x, y: coordinates, any unit, exact in float32; 0 where there is a problem.
        label: index into `features.POINT_CLASS_NAMES`; None where there is a problem.
        problem: why the row cannot be used; else None.
        detail: what was found in it.
    """

    path: str
    x: float = 0.0
    y: float = 0.0
    label: int | None = None
    problem: str | None = None
    detail: str = ""


class _Unusable(Exception):
    """Problem and detail of a row."""


def list_points(root: Path) -> list[Point]:
    """Reads the points of a data folder.

    Args:
        root: holds `*.csv` files, each with the columns x, y and label, in any order and among
            others. Fields are separated by commas and hold no line break. Labels are names of
            `features.POINT_CLASS_NAMES`.

    Returns:
        One entry a row, by file name and line.

    Raises:
        InputError: there is no file with those columns, or a file cannot be read.
    """
    root = Path(root)
    layouts.check_folder(root)
    names = sorted(layouts.file_names(root, (".csv",)))
    if not names:
        raise layouts.not_this_layout(root, layouts.BLOBS, f"*.csv with {', '.join(COLUMNS)}")
    lines = {name: list(_lines(root / name)) for name in names}
    headers = {name: lines[name][0][1] if lines[name] else [] for name in names}
    if not any(set(COLUMNS) <= set(header) for header in headers.values()):
        raise InputError(
            f"'{root / names[0]}'",
            expected=f"the columns {', '.join(COLUMNS)} in its first line",
            found=", ".join(headers[names[0]]) or "an empty file",
        )
    return [
        _point(f"{name.encode(errors='backslashreplace').decode()}:{number}", headers[name], fields)
        for name in names
        for number, fields in lines[name][1:]
    ]


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of every line that is not blank; no fields where it is no CSV.

    Each line is parsed by itself: an open quote then spoils one row, not all below it.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="backslashreplace") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    fields = next(csv.reader([line]))
                except csv.Error:
                    fields = []
                yield number, [field.strip() for field in fields]
    except OSError as error:
        raise InputError(
            f"'{path}'", expected="a readable file", found=error.strerror or str(error)
        ) from error


def _point(path: str, header: list[str], fields: list[str]) -> Point:
    try:
        values = _values(header, fields)
        x, y = (_number(name, values[name]) for name in COLUMNS[:2])
        label = _label(values[COLUMNS[2]])
    except _Unusable as error:
        problem, detail = error.args
        return Point(path, problem=problem, detail=detail)
    return Point(path, x, y, label)


def _values(header: list[str], fields: list[str]) -> dict[str, str]:
    if not fields:
        raise _Unusable(UNREADABLE_ROW, "")
    if len(fields) > len(header):
        raise _Unusable(SURPLUS_COLUMN, f"{len(fields)} fields, {len(header)} in the header")
    values = dict(zip(header, fields, strict=False))
    missing = [name for name in COLUMNS if name not in values]
    if missing:
        raise _Unusable(MISSING_COLUMN, ", ".join(missing))
    return values


def _number(name: str, text: str) -> float:
    """The number in a field, rounded to float32, in which it is stored."""
    detail = f"{name} is {text[:40]!r}"
    try:
        value = float(text)
    except ValueError:
        raise _Unusable(NOT_A_NUMBER, detail) from None
    if math.isnan(value):
        raise _Unusable(NOT_A_NUMBER, detail)
    if math.isinf(value):
        raise _Unusable(NOT_FINITE, detail)
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        raise _Unusable(NOT_FINITE, f"{detail}, too large for float32") from None
    return float(rounded)


def _label(text: str) -> int:
    if text not in features.POINT_CLASS_NAMES:
        known = " or ".join(features.POINT_CLASS_NAMES)
        raise _Unusable(UNKNOWN_LABEL, f"{text[:40]!r}, expected {known}")
    return features.POINT_CLASS_NAMES.index(text)
