"""How a command tells its results: rows as a table, JSON or CSV, and images as files."""

import csv
import errno
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from serving.commands.inputs import Source
from serving.errors import FailedError, InputError

Row = dict[str, Any]  # `image` and either the results or `error`
ERROR = "error"  # the column of what could not be answered
# A table is laid out as a whole: beyond this many rows another one begins.
TABLE_ROWS = 500
# Of more classes a table tells the likeliest.
TABLE_CLASSES = 10


def _write_tables(rows: Iterable[Row]) -> None:
    """For people; what could not be answered is left to the end of the command."""
    part: list[Row] = []
    try:
        for row in rows:
            if ERROR not in row:
                part.append(row)
            if len(part) == TABLE_ROWS:
                _write_table(part)
                part = []
    finally:  # what came before a failure is told
        if part:
            _write_table(part)


def _write_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")  # paths stay whole
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(markup=False, emoji=False).print(table)


def _write_json(rows: Iterable[Row]) -> None:
    """One list, written as it grows; nothing at all if there is no row."""
    begun = False
    try:
        for row in rows:
            text = json.dumps(row, indent=2).replace("\n", "\n  ")
            sys.stdout.write(f"{',' if begun else '['}\n  {text}")
            begun = True
    finally:
        if begun:
            sys.stdout.write("\n]\n")


def _write_json_lines(rows: Iterable[Row]) -> None:
    """One object a line, each at once."""
    for row in rows:
        print(json.dumps(row), flush=True)


def _write_csv(rows: Iterable[Row]) -> None:
    """A header, then one line a row; `probabilities.cat` is a value in a value.

    Which columns there are, the first answer tells: errors before it wait for it.
    """
    flat = map(_flat, rows)
    first: list[Row] = []
    try:
        for row in flat:
            first.append(row)
            if ERROR not in row:
                break
    finally:
        if first:
            columns = [name for name in first[-1] if name != ERROR]
            writer = csv.DictWriter(sys.stdout, [*columns, ERROR], lineterminator="\n")
            writer.writeheader()
            writer.writerows(first)
            sys.stdout.flush()
    for row in flat:
        try:
            writer.writerow(row)
        except ValueError as error:  # a column that is not in the header
            raise FailedError("the model's classes changed while it was asked") from error
        sys.stdout.flush()


def _flat(row: Row) -> Row:
    flat: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = _printable(value) if isinstance(value, str) else value
    return flat


# Each takes rows one by one and writes them to standard output.
FORMATS: dict[str, Callable[[Iterable[Row]], None]] = {
    "table": _write_tables,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "csv": _write_csv,
}


def output_files(sources: Sequence[Source], output: Path, kind: str) -> list[str]:
    """Where the images of the results go: `<output>/<place without suffix>_<kind>.png`.

    Where two would be the same but for the suffix, both keep theirs: `a.jpg_mask.png`.

    Raises:
        InputError: two results would still share a file, one would replace an image that is
            asked about, or the folder cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = f"the file {output}" if output.exists() else error.strerror or "an error"
        raise InputError("--output", expected="a folder", found=found) from error
    stems = Counter(_stem(one.place) for one in sources)
    taken: dict[str, str] = {}
    for one in sources:
        stem = _stem(one.place)
        file = str(output / f"{stem if stems[stem] == 1 else one.place}_{kind}.png")
        if file in taken:
            raise InputError(
                f"{taken[file]} and {one.name} would both write {file}",
                todo="run them apart, each with its own --output",
            )
        taken[file] = one.name
    # (pathlib raises where a name is too long, which only concerns its own image.)
    there = [file for file in taken if os.path.exists(file)]  # noqa: PTH110
    asked = {Path(one.name).resolve() for one in sources} if there else set()
    for file in there:
        if Path(file).resolve() in asked:
            what = f"--output {output}: {file} is one of the images"
            raise InputError(what, todo="choose another folder")
    return list(taken)


def _stem(place: str) -> str:
    return str(PurePath(place).with_suffix(""))


class UnfitNameError(ValueError):
    """The file of one result cannot have its name; others can be written."""


def save(file: str, content: bytes) -> None:
    """Writes an image, with the folders above it.

    Raises:
        UnfitNameError: the name is too long.
        FailedError: it cannot be written.
    """
    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(content)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            name = PurePath(file).name
            raise UnfitNameError(f"the name of its result is too long: {name}") from error
        raise FailedError(f"{file} cannot be written: {error.strerror}") from error


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        shares = list(value.items())
        if len(shares) > TABLE_CLASSES:
            shares = sorted(shares, key=lambda share: -share[1])[:TABLE_CLASSES]
        told = ", ".join(f"{name} {share:.3f}" for name, share in shares)
        return _printable(told if len(shares) == len(value) else f"{told}, ...")
    return f"{value:.3f}" if isinstance(value, float) else _printable(str(value))


def _printable(text: str) -> str:
    """File names may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
