"""One folder with the class in the name: `cat.12.jpg`, as in Kaggle's archive, or `cat_12.jpg`."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing
from components.datasets.settings import DataConfig

NO_CLASS = "no class in file name"


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of a folder. Upper and lower case of a class are the same: `cat`, `CAT`.

    Raises:
        InputError: none is named so.
    """
    del data
    folders.check_folder(root)
    records = sorted(folders.image_records(root), key=lambda record: record.path)
    for pattern in recognition.FLAT_NAMES:
        matches = [pattern.fullmatch(record.path) for record in records]
        if any(matches):
            break
    else:
        raise recognition.not_this_layout(root, "flat_names", "cat.N.jpg, dog.N.jpg")
    return Listing(
        [
            folders.record(record.path, label=match["label"].lower(), number=int(match["number"]))
            if match
            else folders.record(record.path, problem=NO_CLASS)
            for record, match in zip(records, matches, strict=True)
        ]
    )
