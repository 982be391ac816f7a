"""One folder with the class in the name: `cat.12.jpg`, as in Kaggle's archive, or `cat_12.jpg`."""

from dataclasses import replace
from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing
from components.datasets.settings import DataConfig


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of a folder. Upper and lower case of a class are the same: `cat`, `CAT`.

    Those in its sub-folders are counted, with a problem.
    """
    records = sorted(folders.image_records(root, deep=True), key=lambda record: record.path)
    for pattern in recognition.FLAT_NAMES:
        matches = [None if "/" in r.path else pattern.fullmatch(r.path) for r in records]
        if any(matches):
            break
    else:
        raise recognition.not_this_layout(root, "flat_names")
    return Listing(
        [
            replace(record, label=match["label"].lower(), number=int(match["number"]))
            if match
            else replace(record, problem=record.problem or "no class in file name", number=None)
            for record, match in zip(records, matches, strict=True)
        ],
        notes=recognition.unread_tables(root),
    )
