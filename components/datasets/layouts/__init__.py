"""The layouts of data on disk: a reader a file, `read(root, data) -> Listing`.

Each raises InputError where the folder is not in its layout at all.
"""

from collections.abc import Mapping

from components import extension
from components.datasets.records import Reader

_NAMES = ("auto", "class_folders", "flat_names", "oxford_list", "masks", "points", "tfrecord")
SHIPPED = {name: f"{__name__}.{name}:read" for name in _NAMES} | {
    "csv": f"{__name__}.csv_list:read"
}


def load_reader(name: str, known: Mapping[str, str], key: str) -> Reader:
    """The reader of a layout; see `extension.resolve` and `extension.load_function`."""
    path = extension.resolve(name, known, kind="layouts", key=key)
    reader: Reader = extension.load_function(path, key=key, takes=("root", "data"))
    return reader
