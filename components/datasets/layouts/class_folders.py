"""A folder a class: `rose/*.jpg`, or already split, `train/rose/*.jpg`, `val/rose/*.jpg`."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of every class's folder and of the folders in it.

    An image of a class's own folder that is named by a number (`Cat/12.jpg`) has that number. An
    image beside the folders, or in a folder beside those of the splits, is counted, with a problem.
    """
    parts: dict[str, str | None] = {"": None, **folders.split_folders(root)}
    classes = {part: folders.folder_names(root / part) for part in parts}
    other: list[str] = []
    if len(parts) > 1:
        other, classes[""] = [name for name in classes[""] if name not in parts], []
    names = sorted(set().union(*classes.values()))
    if not names or (len(names) == 1 and recognition.recognize(root / names[0])):
        raise recognition.not_this_layout(root, "class_folders")
    records: list[Record] = []
    for part, split in parts.items():
        records += folders.image_records(root, part, split=split, problem="in no class's folder")
        for name in classes[part]:
            folder = f"{part}/{name}" if part else name
            records += folders.image_records(root, folder, deep=True, label=name, split=split)
    for name in other:
        records += folders.image_records(root, name, deep=True, problem="in no split's folder")
    notes = [*recognition.unread_tables(root), *(_hidden(root / part) for part in parts)]
    records.sort(key=lambda record: record.path)
    return Listing(records, tuple(names), notes=[note for note in notes if note])


def _hidden(folder: Path) -> str:
    """Tells the folders of images that a dot hides."""
    found = sorted(path.name for path in folder.glob(".*") if any(folders.image_records(path)))
    return f"left out, as their names begin with a dot: {', '.join(found)}" if found else ""
