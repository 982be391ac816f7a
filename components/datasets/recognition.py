"""Which layout a folder is in, by its names."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from components.datasets import folders
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

_OTHER_TASKS = {"masks": "image_segmentation", "points": "points"}
_HINTED = 20  # sub-folders that are looked into for a hint


def recognize(root: Path) -> str:
    """The layout that a folder is in; empty: none that is known."""
    if (root / OXFORD_LIST).is_file():
        found = "oxford_list"
    elif mask_folders(root):
        found = "masks"
    elif shard_names(root):
        found = "tfrecord"
    elif _has_csv(root, IMAGE_COLUMNS):
        found = "csv"
    elif _has_csv(root, POINT_COLUMNS):
        found = "points"
    elif _class_count(root) > 1:
        found = "class_folders"
    else:
        names = folders.file_names(root, folders.IMAGE_EXTENSIONS)
        flat = any(pattern.fullmatch(name) for pattern in FLAT_NAMES for name in names)
        found = "flat_names" if flat else ""
    return found


def _has_csv(root: Path, columns: tuple[str, ...]) -> bool:
    names = folders.file_names(root, (".csv",))
    return any(set(columns) <= set(header(root / name)) for name in names)


def _class_count(root: Path) -> int:
    """Number of folders with images, in the split that has most of them."""
    return max(
        sum(
            any(folders.image_records(root / part, name, deep=True))
            for name in folders.folder_names(root / part)
        )
        for part in folders.split_folders(root) or [""]
    )


def mask_folders(root: Path) -> list[tuple[str, str, str | None]]:
    """Folders of images, their masks', and the split that they are; empty: there are no pairs.

    Split folders may hold `images` and `masks`, or the other way round.
    """

    def pairs(above: str, below: str, split: str | None) -> Iterator[tuple[str, str, str | None]]:
        for masks in MASK_FOLDERS:
            names = (f"{above}{IMAGES}{below}", f"{above}{masks}{below}")
            if all((root / name).is_dir() for name in names):
                yield *names, split
                return

    outer, inner = folders.split_folders(root), folders.split_folders(root / IMAGES)
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


def not_this_layout(root: Path, layout: str, expected: str) -> InputError:
    """The error of a folder that holds none of a layout's files; hints at what it may be."""
    entries = sorted(e.name + ("/" if e.is_dir() else "") for e in folders.visible(root))
    found = ", ".join(entries[:5]) + (f" and {len(entries) - 5} more" if len(entries) > 5 else "")
    return InputError(
        f"data folder '{root}' is not in the layout '{layout}'",
        expected=expected,
        found=found or "an empty folder",
        todo=_hint(root, layout),
    )


def _hint(root: Path, layout: str) -> str:
    """Which folder or layout would have fitted: a wrong level is the most common mistake."""
    for folder in (root, *(root / name for name in folders.folder_names(root)[:_HINTED])):
        found = recognize(folder)
        if found and (found != layout or folder != root):
            where = "this folder" if folder == root else f"'{folder}'"
            task = _OTHER_TASKS.get(found)
            return f"{where} is in the layout '{found}'" + (f" of the task {task}" if task else "")
    return ""
