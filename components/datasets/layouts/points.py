"""Points on a plane in CSV files with the columns x, y and label."""

import math
import struct
from pathlib import Path

from components.datasets.recognition import POINT_COLUMNS
from components.datasets.records import Listing, Record
from components.datasets.rows import Row, read_rows
from components.datasets.settings import DataConfig

NOT_A_NUMBER = "not a number"
NOT_FINITE = "not finite"


def read(root: Path, data: DataConfig) -> Listing:
    """Reads all rows: `values` are x and y, exact in float32.

    Raises:
        InputError: there is no file with those columns, or a file cannot be read.
    """
    del data
    return Listing([_record(row) for row in read_rows(root, POINT_COLUMNS, "points")])


def _record(row: Row) -> Record:
    if row.problem:
        return Record(row.path, problem=row.problem, detail=row.detail)
    values = []
    for name in POINT_COLUMNS[:2]:
        value, problem, detail = _number(row.values[name])
        if problem:
            detail = f"{name} is {row.values[name][:40]!r}{detail}"
            return Record(row.path, problem=problem, detail=detail)
        values.append(value)
    return Record(row.path, label=row.values[POINT_COLUMNS[2]], values=tuple(values))


def _number(text: str) -> tuple[float, str | None, str]:
    """The number in a field, rounded to float32, in which it is stored; or problem and detail."""
    try:
        value = float(text)
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except ValueError:
        return 0.0, NOT_A_NUMBER, ""
    except OverflowError:
        return 0.0, NOT_FINITE, ", too large for float32"
    problem = NOT_A_NUMBER if math.isnan(value) else None if math.isfinite(value) else NOT_FINITE
    return rounded, problem, ""
