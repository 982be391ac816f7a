"""Points on a plane in CSV files with the columns x, y and label."""

import math
import struct
from collections.abc import Mapping
from pathlib import Path

from components.datasets.recognition import POINT_COLUMNS
from components.datasets.records import Listing, Record
from components.datasets.rows import RowError, read_rows
from components.datasets.settings import DataConfig

NOT_A_NUMBER = "not a number"
NOT_FINITE = "not finite"


def read(root: Path, data: DataConfig) -> Listing:
    """Reads all rows: `values` are x and y, exact in float32."""
    return Listing(read_rows(root, POINT_COLUMNS, "points", _record))


def _record(path: str, values: Mapping[str, str]) -> Record:
    x, y = (_number(name, values[name]) for name in POINT_COLUMNS[:2])
    return Record(path, label=values[POINT_COLUMNS[2]], values=(x, y))


def _number(name: str, text: str) -> float:
    """The number in a field, rounded to float32, in which it is stored."""
    told = f"{name} is {text[:40]!r}"
    try:
        value = float(text)
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except ValueError as error:
        raise RowError(NOT_A_NUMBER, told) from error
    except OverflowError as error:
        raise RowError(NOT_FINITE, f"{told}, too large for float32") from error
    if not math.isfinite(value):
        raise RowError(NOT_A_NUMBER if math.isnan(value) else NOT_FINITE, told)
    return float(rounded)
