"""Looks at the folder and reads it as what it is: any of the layouts that tell one class a file."""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.layouts import SHIPPED, load_reader
from components.datasets.records import Listing
from components.datasets.settings import DataConfig

LAYOUTS = ("class_folders", "flat_names", "csv", "oxford_list", "tfrecord")


def read(root: Path, data: DataConfig) -> Listing:
    """Lists a folder in any of the layouts of `LAYOUTS`."""
    layout = recognition.recognize(root)
    if not layout and folders.file_names(root, (".csv",)):
        layout = "csv"  # of other columns, which it tells
    if not layout and any(
        any(folders.image_records(root, name)) for name in folders.folder_names(root)
    ):
        layout = "class_folders"  # of a single class, which is told when classes are settled
    if layout not in LAYOUTS:
        raise recognition.not_this_layout(root, "auto")
    return load_reader(layout, SHIPPED, "data.layout")(root, data)
