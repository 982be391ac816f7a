"""The layouts of data on disk: a reader a file, `read(root, data) -> Listing`."""

_NAMES = ("auto", "class_folders", "flat_names", "oxford_list", "masks", "points", "tfrecord")
SHIPPED = {name: f"{__name__}.{name}:read" for name in _NAMES} | {
    "csv": f"{__name__}.csv_list:read"
}
