"""A folder a class: `rose/*.jpg`, or already split, `train/rose/*.jpg`, `val/rose/*.jpg`."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig

NO_CLASS_FOLDER = "in no class's folder"


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of every class's folder and of the folders in it.

    An image of a class's own folder that is named by a number (`Cat/12.jpg`) has that number. An
    image beside the folders is counted, with a problem.
    """
    parts: dict[str, str | None] = {"": None, **folders.split_folders(root)}
    classes = {part: folders.folder_names(root / part) for part in parts}
    if len(parts) > 1:
        classes[""] = []  # they are the splits
    names = sorted(set().union(*classes.values()))
    if not names or (len(names) == 1 and recognition.recognize(root / names[0])):
        raise recognition.not_this_layout(root, "class_folders")
    records: list[Record] = []
    for part, split in parts.items():
        records += folders.image_records(root, part, split=split, problem=NO_CLASS_FOLDER)
        for name in classes[part]:
            folder = f"{part}/{name}" if part else name
            records += folders.image_records(root, folder, deep=True, label=name, split=split)
    return Listing(sorted(records, key=lambda record: record.path), tuple(names))
