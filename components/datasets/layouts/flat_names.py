"""One folder with the class in the name: `cat.12.jpg`, as in Kaggle's archive, or `cat_12.jpg`."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing
from components.datasets.settings import DataConfig


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of a folder. Upper and lower case of a class are the same: `cat`, `CAT`.

    Those in its sub-folders are counted, with a problem.
    """
    paths = sorted(record.path for record in folders.image_records(root, deep=True))
    for pattern in recognition.FLAT_NAMES:
        matches = [None if "/" in path else pattern.fullmatch(path) for path in paths]
        if any(matches):
            break
    else:
        raise recognition.not_this_layout(root, "flat_names")
    return Listing(
        [
            folders.record(path, label=match["label"].lower(), number=int(match["number"]))
            if match
            else folders.record(path, problem="no class in file name")
            for path, match in zip(paths, matches, strict=True)
        ],
        notes=recognition.unread_tables(root),
    )
