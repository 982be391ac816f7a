"""Rows of CSV files, read with the standard library alone.

Every line below a file's header is one row, blank lines left out. What cannot be read is listed
too, with its problem, so that it can be counted.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Record
from components.datasets.settings import printable
from serving.errors import InputError, os_errors

UNREADABLE_ROW = "unreadable row"


class RowError(ValueError):
    """A row is of no use: its problem, and what was found in it."""


def read_rows(
    root: Path,
    columns: Sequence[str],
    layout: str,
    convert: Callable[[str, Mapping[str, str]], Record],
) -> list[Record]:
    """Records by file name and line, of a folder of `*.csv` files.

    Their first lines name the columns, in any order and among others; fields are separated by
    commas and hold no line break. `convert` makes a record of a row's place, its file and its line
    from 1 as `points.csv:2`, and its values by column; what it raises a RowError of stands for
    itself, with its problem.

    Raises:
        InputError: there is no file with those columns, or a file cannot be read.
    """
    names = folders.file_names(root, (".csv",))
    if not names:
        raise recognition.not_this_layout(root, layout)
    headers = {name: recognition.header(root / name) for name in names}
    if not any(set(columns) <= set(header) for header in headers.values()):
        raise InputError(
            f"'{root / names[0]}'",
            expected=f"the columns {', '.join(columns)} in its first line",
            found=recognition.told_header(root / names[0]),
            todo="name them so, in UTF-8 and with commas between",
        )
    records = []
    for name, header in headers.items():
        for number, line in enumerate(_lines(root / name), start=1):
            if number == 1 or not line.strip():
                continue
            path, values = f"{printable(name)}:{number}", dict[str, str]()
            try:
                values = _values(line, header, columns)
                records.append(convert(path, values))
            except RowError as error:
                problem, detail = error.args
                label = values.get("label") or None
                records.append(Record(path, label=label, problem=problem, detail=printable(detail)))
    return records


def _lines(path: Path) -> list[str]:
    with os_errors(f"'{path}'", expected="a readable file"):
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")


def _values(line: str, header: list[str], columns: Sequence[str]) -> dict[str, str]:
    """Each line is parsed by itself: an open quote then spoils one row, not all below it."""
    try:
        fields = [field.strip() for field in next(csv.reader([line]))]
    except csv.Error as error:
        raise RowError(UNREADABLE_ROW, "") from error
    if len(fields) > len(header):
        raise RowError("surplus column", f"{len(fields)} fields, {len(header)} in the header")
    missing = set(columns) - set(header[: len(fields)])
    if missing:
        raise RowError("missing column", ", ".join(name for name in columns if name in missing))
    return dict(zip(header, fields, strict=False))
