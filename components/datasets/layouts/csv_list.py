"""CSV files that list images: the columns `path`, `label` and, if it is split, `split`."""

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path

from components.datasets import folders
from components.datasets.layouts.oxford_list import NOT_LISTED
from components.datasets.recognition import IMAGE_COLUMNS
from components.datasets.records import Listing, Record
from components.datasets.rows import RowError, read_rows
from components.datasets.settings import DataConfig


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images that the rows name, and those of the data folder that none does."""
    named: set[str] = set()
    homes = {root.absolute(), root.resolve()}

    def convert(_: str, values: Mapping[str, str]) -> Record:
        path = posixpath.normpath(values["path"].replace("\\", "/"))
        label, split = values["label"], values.get("split", "")
        for home in homes:
            path = path.removeprefix(f"{home.as_posix()}/")
        named.add(path)
        if path.startswith(("/", "../")):
            raise RowError("outside the data folder", path)
        if not os.path.isfile(root / path):  # noqa: PTH113  # pathlib raises where it is too long
            raise RowError("no such file", path)
        if not label:
            raise RowError("no label", path)
        if split and split.lower() not in folders.SPLIT_WORDS:
            raise RowError("unknown split", split)
        return folders.record(path, label=label, split=folders.SPLIT_WORDS.get(split.lower()))

    records = read_rows(root, IMAGE_COLUMNS, "csv", convert)
    found = folders.image_records(root, deep=True, problem=NOT_LISTED)
    other = [record for record in found if record.path not in named]
    return Listing(records + sorted(other, key=lambda record: record.path))
