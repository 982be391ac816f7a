"""The layouts of data on disk: a reader a file, `read(root, data) -> Listing`.

Each raises InputError where the folder is not in its layout at all.
"""

_NAMES = ("auto", "class_folders", "flat_names", "oxford_list", "masks", "points", "tfrecord")
SHIPPED = {name: f"{__name__}.{name}:read" for name in _NAMES} | {
    "csv": f"{__name__}.csv_list:read"
}
OLD_NAMES = {"cats_dogs": "class_folders", "pets": "masks", "blobs": "points"}
