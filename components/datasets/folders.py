"""What lies in a folder, by its names alone: no image is opened, so 25,000 take a moment."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.datasets.records import Record
from components.datasets.settings import is_utf8
from serving.errors import InputError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
# Images that nothing here decodes: counted rather than passed over.
OTHER_EXTENSIONS = (
    *(".tif", ".tiff", ".heic", ".heif", ".avif", ".svg", ".jp2", ".jxl", ".jfif", ".ppm"),
    *(".pgm", ".tga", ".ico", ".psd", ".raw", ".cr2", ".nef", ".dng", ".exr", ".dcm"),
)
# Words for the splits that data sets come in.
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "eval"),
    **dict.fromkeys(("test", "testing"), "test"),
}

FOLDER, FILE = "folder", "file"
_FOREIGN = ("__MACOSX", "@eaDir")  # left by archives and by disk stations


def visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of a folder but the hidden ones (`._x.png` is macOS's shadow of `x.png`)."""
    if not folder.is_dir():
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name not in _FOREIGN:
                    yield entry
    except PermissionError as error:
        raise InputError(
            f"data folder '{folder}'", expected="a readable folder", found="no permission"
        ) from error


def kind_of(entry: os.DirEntry[str]) -> str:
    """`FOLDER`, `FILE`, links followed; else what is the matter with it, a text."""
    with contextlib.suppress(OSError):  # a link that leads in a circle, or to where nobody may look
        if entry.is_dir():
            return FOLDER
        if entry.is_file():
            return FILE
    return "broken link" if entry.is_symlink() else "no file"


def folder_names(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted."""
    return sorted(entry.name for entry in visible(folder) if kind_of(entry) == FOLDER)


def folder_in(root: Path, path: str) -> str:
    """A folder's path below `root` as it is on disk, in whatever case; empty: there is none."""
    found = ""
    for part in path.split("/"):
        names = folder_names(root / found)
        same = [part] if part in names else [n for n in names if n.lower() == part.lower()]
        if not same:
            return ""
        found = f"{found}/{same[0]}" if found else same[0]
    return found


def file_names(folder: Path, extensions: tuple[str, ...]) -> list[str]:
    """Names of the files in a folder with one of the extensions, sorted.

    So are links to what is gone (as of git-annex), or to each other: they are to be told.
    """
    return sorted(
        entry.name
        for entry in visible(folder)
        if entry.name.lower().endswith(extensions) and kind_of(entry) != FOLDER
    )


def split_folders(folder: Path) -> dict[str, str]:
    """Sub-folders that hold a split each -> `train`, `eval` or `test`; empty: it is not split."""
    words = {name: SPLIT_WORDS.get(name.lower(), "") for name in folder_names(folder)}
    found = {name: split for name, split in words.items() if split}
    return found if "train" in found.values() and len(set(found.values())) > 1 else {}


def walk(
    root: Path, folder: str = "", *, deep: bool = True, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Paths below the data folder, with "/", and entries of what is no folder, in no order.

    Of `folder`, and with `deep` of those in it; linked ones are followed, unless they hold the one
    that they lie in. `above` are real paths of the folders that it lies in.
    """
    here = os.path.realpath(root / folder)
    if any(f"{path}/".startswith(f"{here}/") for path in above):
        return
    for entry in visible(root / folder):
        path = f"{folder}/{entry.name}" if folder else entry.name
        if kind_of(entry) != FOLDER:
            yield path, entry
        elif deep:
            yield from walk(root, path, above=(*above, here))


def image_records(
    root: Path, folder: str = "", *, deep: bool = False, **told: Any
) -> Iterator[Record]:
    """Records of the images in a folder, in no order; of those nothing decodes, with a problem.

    Args:
        root: the data folder.
        folder: below it, with "/"; empty: itself.
        deep: with the numbers that they are named by, and those in sub-folders, without.
        told: fields of the records.
    """
    for path, entry in walk(root, folder, deep=deep):
        if path.lower().endswith(IMAGE_EXTENSIONS + OTHER_EXTENSIONS):
            own = deep and path.rpartition("/")[0] == folder
            digits = entry.name.partition(".")[0] if own else ""
            number = int(digits) if digits.isdecimal() and digits.isascii() else None
            found, kind = record(path, number=number, **told), kind_of(entry)
            yield found if kind == FILE else replace(found, problem=kind)


def record(path: str, *, problem: str | None = None, **told: Any) -> Record:
    """A record of a file, with the problem that its name tells of."""
    if not is_utf8(path):  # Linux allows any bytes in a name; a feature holds UTF-8
        return Record(path, problem="file name is not UTF-8", **told)
    if path.lower().endswith(OTHER_EXTENSIONS):
        detail = f"{Path(path).suffix} is none of {', '.join(IMAGE_EXTENSIONS)}"
        return Record(path, problem="unsupported format", detail=detail, **told)
    return Record(path, problem=problem, **told)


def stem_of(path: str) -> str:
    """Name of a file without folder and extension."""
    stem, dot, extension = path.rpartition("/")[2].rpartition(".")
    return stem if dot else extension
