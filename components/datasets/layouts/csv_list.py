"""CSV files that list images: the columns `path`, `label` and, if it is split, `split`."""

import posixpath
from pathlib import Path

from components.datasets import folders
from components.datasets.recognition import IMAGE_COLUMNS
from components.datasets.records import Listing, Record
from components.datasets.rows import Row, read_rows
from components.datasets.settings import DataConfig, printable

OUTSIDE = "outside the data folder"
NO_FILE = "no such file"
UNKNOWN_SPLIT = "unknown split"
EMPTY_LABEL = "no label"


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images that the rows name, relative to the data folder.

    Raises:
        InputError: there is no file with those columns, or a file cannot be read.
    """
    del data
    return Listing([_record(root, row) for row in read_rows(root, IMAGE_COLUMNS, "csv")])


def _record(root: Path, row: Row) -> Record:
    """The record of the file that a row names, or of the row where it names none to use."""
    problem, detail = row.problem, row.detail
    path = posixpath.normpath(row.values.get("path", "").replace("\\", "/"))
    label, split = row.values.get("label"), row.values.get("split")
    if not problem:
        if path.startswith(("/", "..")) or path[1:2] == ":":
            problem, detail = OUTSIDE, path
        elif not (root / path).is_file():
            problem, detail = NO_FILE, path
        elif not label:
            problem, detail = EMPTY_LABEL, path
        elif split is not None and split.lower() not in folders.SPLIT_WORDS:
            problem, detail = UNKNOWN_SPLIT, split
    if problem:
        return Record(row.path, label=label or None, problem=problem, detail=printable(detail))
    split = folders.SPLIT_WORDS[split.lower()] if split is not None else None
    return folders.record(path, label=label, split=split)
