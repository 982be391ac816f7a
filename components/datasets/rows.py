"""Rows of CSV files, read with the standard library alone.

Every line below a file's header is one row, blank lines left out. What cannot be read is listed
too, with its problem, so that it can be counted.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from components.datasets import folders, recognition
from components.datasets.settings import printable
from serving.errors import InputError

UNREADABLE_ROW = "unreadable row"
MISSING_COLUMN = "missing column"
SURPLUS_COLUMN = "surplus column"


class Row(NamedTuple):
    """One row.

    Attributes:
        path: of its file, relative to the data folder, and its line from 1: `points.csv:2`.
        values: by column.
        problem, detail: why it cannot be used, as in a record.
    """

    path: str
    values: dict[str, str]
    problem: str | None = None
    detail: str = ""


def read_rows(root: Path, columns: Sequence[str], layout: str) -> Iterator[Row]:
    """Rows by file name and line.

    Args:
        root: holds `*.csv` files, whose first lines name these columns, in any order and among
            others. Fields are separated by commas and hold no line break.
        columns: that a row needs.
        layout: its name, for messages.

    Raises:
        InputError: there is no file with those columns, or a file cannot be read.
    """
    folders.check_folder(root)
    names = folders.file_names(root, (".csv",))
    if not names:
        raise recognition.not_this_layout(root, layout, f"*.csv with {', '.join(columns)}")
    headers = {name: recognition.header(root / name) for name in names}
    if not any(set(columns) <= set(header) for header in headers.values()):
        raise InputError(
            f"'{root / names[0]}'",
            expected=f"the columns {', '.join(columns)} in its first line",
            found=", ".join(headers[names[0]]) or "an empty file",
        )
    for name in names:
        lines = _lines(root / name)
        next(lines, None)
        for number, fields in lines:
            yield _row(f"{printable(name)}:{number}", headers[name], fields, columns)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of every line that is not blank; no fields where it is no CSV.

    Each line is parsed by itself: an open quote then spoils one row, not all below it.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
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


def _row(path: str, header: list[str], fields: list[str], columns: Sequence[str]) -> Row:
    values = dict(zip(header, fields, strict=False))
    missing = [name for name in columns if name not in values]
    if not fields:
        return Row(path, values, UNREADABLE_ROW)
    if len(fields) > len(header):
        counts = f"{len(fields)} fields, {len(header)} in the header"
        return Row(path, values, SURPLUS_COLUMN, counts)
    if missing:
        return Row(path, values, MISSING_COLUMN, ", ".join(missing))
    return Row(path, values)
