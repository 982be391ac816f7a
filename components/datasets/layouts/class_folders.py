"""A folder a class: `rose/*.jpg`, or already split, `train/rose/*.jpg`, `val/rose/*.jpg`."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing
from components.datasets.settings import DataConfig

NO_CLASS_FOLDER = "in no class's folder"


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of every class's folder and of the folders in it.

    An image of a class's own folder that is named by a number (`Cat/12.jpg`) has that number. An
    image beside the folders is counted, with a problem.

    Raises:
        InputError: there is no such folder.
    """
    del data
    folders.check_folder(root)
    splits = folders.split_folders(root)
    parts: dict[str, str | None] = {f"{name}/": split for name, split in splits.items()}
    parts = parts or {"": None}
    classes = {part: folders.folder_names(root / part) for part in parts}
    names = sorted(set().union(*classes.values()))
    if not names or (len(names) == 1 and recognition.recognize(root / names[0])):
        raise recognition.not_this_layout(root, "class_folders", "a folder a class: rose/*.jpg")
    records = list(folders.image_records(root, problem=NO_CLASS_FOLDER))
    for part, split in parts.items():
        if part:
            beside = folders.image_records(root, part[:-1], split=split, problem=NO_CLASS_FOLDER)
            records += beside
        for name in classes[part]:
            records += folders.image_records(
                root, f"{part}{name}", deep=True, label=name, split=split
            )
    return Listing(sorted(records, key=lambda record: record.path), tuple(names))
