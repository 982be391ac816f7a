"""Looks at the folder and reads it as what it is: any of the layouts that tell one class a file."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.layouts import class_folders, csv_list, flat_names, oxford_list, tfrecord
from components.datasets.records import Listing, Reader
from components.datasets.settings import DataConfig

# Imported rather than named by a path: an edit of one of them ingests the data anew.
READERS: dict[str, Reader] = {
    "class_folders": class_folders.read,
    "flat_names": flat_names.read,
    "csv": csv_list.read,
    "oxford_list": oxford_list.read,
    "tfrecord": tfrecord.read,
}


def read(root: Path, data: DataConfig) -> Listing:
    """Lists a folder in any of the layouts of `READERS`."""
    layout = recognition.recognize(root)
    if not layout and folders.file_names(root, (".csv",)):
        layout = "csv"  # of other columns, which it tells
    if not layout and any(
        any(folders.image_records(root, name)) for name in folders.folder_names(root)
    ):
        layout = "class_folders"  # of a single class, which is told when classes are settled
    if layout not in READERS:
        raise recognition.not_this_layout(root, "auto")
    return READERS[layout](root, data)
