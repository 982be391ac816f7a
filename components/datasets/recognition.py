"""Which layout a folder is in, by its names."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from components.datasets import folders
from components.datasets.settings import printable
from serving.errors import InputError

OXFORD_LIST = "annotations/list.txt"
IMAGES = "images"
MASK_FOLDERS = ("masks", "annotations/trimaps", "labels")
IMAGE_COLUMNS = ("path", "label")
POINT_COLUMNS = ("x", "y", "label")
# `cat.12.jpg`, or where no file is named so, `cat_12.jpg`.
FLAT_NAMES = (
    re.compile(r"(?P<label>.+?)\.(?P<number>[0-9]+)\.[^.]+"),
    re.compile(r"(?P<label>.+?)[_ -](?P<number>[0-9]+)\.[^.]+"),
)
SHARD = re.compile(r".*(\.tfrecords?|\.tfrecords?\.gz|-\d{5}-of-\d{5}(\.gz)?)", re.IGNORECASE)

_HINTED = 20  # sub-folders that are looked into for a hint


def mask_folders(root: Path) -> list[tuple[str, str, str | None]]:
    """Folders of images, their masks', and the split that they are; empty: there are no pairs.

    Split folders may hold `images` and `masks`, or the other way round.
    """

    def pairs(above: str, below: str, split: str | None) -> Iterator[tuple[str, str, str | None]]:
        for masks in MASK_FOLDERS:
            names = [folders.folder_in(root, f"{above}{name}{below}") for name in (IMAGES, masks)]
            if all(names):
                yield names[0], names[1], split
                return

    images = folders.folder_in(root, IMAGES)
    outer = folders.split_folders(root)
    inner = folders.split_folders(root / images) if images else {}
    found = [pair for name, split in outer.items() for pair in pairs(f"{name}/", "", split)]
    found += [pair for name, split in inner.items() for pair in pairs("", f"/{name}", split)]
    return found or list(pairs("", "", None))


def shard_names(root: Path) -> list[str]:
    """Paths of a folder's TFRecord files, and of those in its split folders."""
    return [
        f"{part}/{entry}" if part else entry
        for part in ("", *folders.split_folders(root))
        for entry in folders.file_names(root / part, ("",))
        if SHARD.fullmatch(entry)
    ]


def header(path: Path) -> list[str]:
    """The columns that the first line of a CSV file names, in lower case."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            return [name.strip().lower() for name in next(csv.reader(file), [])]
    except (OSError, csv.Error):
        return []


def unread_tables(root: Path) -> list[str]:
    """Notes on tables in a folder that is read as something else, as they lack columns."""
    return [
        f"'{printable(name)}' is not read: its first line has {told_header(root / name)},"
        f" not {', '.join(IMAGE_COLUMNS)}"
        for name in folders.file_names(root, (".csv", ".tsv"))
        if not set(IMAGE_COLUMNS) <= set(header(root / name))
    ]


def told_header(path: Path) -> str:
    """What the first line of a file has, for messages."""
    text = printable(", ".join(header(path)))[:80]
    return "UTF-16" if "\0" in text else text or "nothing"


def _has_csv(root: Path, columns: tuple[str, ...]) -> bool:
    names = folders.file_names(root, (".csv",))
    return any(set(columns) <= set(header(root / name)) for name in names)


def _has_class_folders(root: Path) -> bool:
    """Whether there are two folders with images, or in one of the splits."""
    return any(
        sum(
            any(folders.image_records(root / part, name, deep=True))
            for name in folders.folder_names(root / part)
        )
        > 1
        for part in folders.split_folders(root) or [""]
    )


def _has_flat_names(root: Path) -> bool:
    names = folders.file_names(root, folders.IMAGE_EXTENSIONS)
    return any(pattern.fullmatch(name) for pattern in FLAT_NAMES for name in names)


# What a folder looks like, and what it would hold; the first that it looks like counts.
_LAYOUTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "oxford_list": (
        lambda root: (root / OXFORD_LIST).is_file(),
        f"{OXFORD_LIST} and {IMAGES}/*.jpg",
    ),
    "masks": (
        mask_folders,
        f"images in {IMAGES}/ and .png masks in {'/ or '.join(MASK_FOLDERS)}/, named as the images",
    ),
    "tfrecord": (shard_names, "shards such as train-00000-of-00004"),
    "csv": (lambda root: _has_csv(root, IMAGE_COLUMNS), "*.csv with path, label"),
    "points": (lambda root: _has_csv(root, POINT_COLUMNS), "*.csv with x, y, label"),
    "class_folders": (_has_class_folders, "a folder a class: rose/*.jpg"),
    "flat_names": (_has_flat_names, "cat.N.jpg, dog.N.jpg"),
    "auto": (
        lambda root: False,
        "a folder a class, cat.N.jpg and dog.N.jpg, or *.csv with path and label",
    ),
}
_TASKS = {"masks": "image_segmentation", "points": "points"}  # of the others image_classification


def recognize(root: Path) -> str:
    """The layout that a folder is in; empty: none that is known."""
    return next((name for name, (looks_like, _) in _LAYOUTS.items() if looks_like(root)), "")


def not_this_layout(root: Path, layout: str) -> InputError:
    """The error of what is no folder, or holds none of a layout's files; hints at what it may be.

    A wrong level is the most common mistake.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        return InputError(f"data folder '{root}'", expected="a folder", found=found)
    hint = ""
    for folder in (root, *(root / name for name in folders.folder_names(root)[:_HINTED])):
        other = recognize(folder)
        if other and (other != layout or folder != root):
            where, task = "this folder" if folder == root else f"'{folder}'", _TASKS.get(other)
            hint = f"{where} is in the layout '{other}'" + (f" of the task {task}" if task else "")
            break
    entries = sorted(e.name + ("/" if e.is_dir() else "") for e in folders.visible(root))
    more = f" and {len(entries) - 5} more" if len(entries) > 5 else ""
    return InputError(
        f"data folder '{root}' is not in the layout '{layout}'",
        expected=_LAYOUTS[layout][1],
        found=", ".join(entries[:5]) + more or "an empty folder",
        todo=hint,
    )
