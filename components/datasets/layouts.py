"""The layouts of pictures on disk, read with the standard library alone.

A listing opens no picture: it only pairs names, so 25,000 files take a fraction of a second. What
the names already tell to be unusable is listed too, with its problem, so that it can be counted.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components import features
from serving.errors import InputError, check_one_of

PICTURE_EXTENSIONS = (".jpg", ".jpeg", ".png")
MASK_EXTENSIONS = (".png",)
PETS_IMAGES = "images"
PETS_MASKS = "annotations/trimaps"
BLOBS = "blobs"  # points, not pictures: `components.datasets.points` reads them

NO_MASK = "no mask"
NO_PICTURE = "mask without picture"
NO_CLASS = "no class in file name"
BAD_NAME = "file name is not UTF-8"

_FLAT_NAME = re.compile(rf"({'|'.join(features.CLASS_NAMES)})\.([0-9]+)\.[^.]+", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """One file of a data set.

    Attributes:
        path: relative to the data folder, with "/".
        label: index into `features.CLASS_NAMES`; None where the layout tells no class.
        mask_path: the trimap, relative to the data folder; None without one.
        number: file number under `cats_dogs`; None where the name is no number, and under `pets`.
        problem: why the file cannot be used, where its name already tells; else None.
    """

    path: str
    label: int | None = None
    mask_path: str | None = None
    number: int | None = None
    problem: str | None = None


def list_pictures(root: Path, layout: str) -> list[Picture]:
    """Lists the pictures of a data folder without opening them.

    Hidden files and files without a picture's extension are passed over.

    Args:
        root: the data folder.
        layout: `cats_dogs` (`Cat/*.jpg` and `Dog/*.jpg`, or `cat.N.jpg` and `dog.N.jpg` in one
            folder; upper or lower case) or `pets` (`images/*.jpg` paired by stem with
            `annotations/trimaps/*.png`). `.jpeg` and `.png` pictures are taken as well.

    Returns:
        One entry a picture, and one a mask without picture, sorted by path.

    Raises:
        InputError: the layout is unknown, or the folder does not look like it at all.
    """
    check_one_of("layout of pictures", layout, LAYOUTS)
    root = Path(root)
    check_folder(root)
    pictures = LAYOUTS[layout](root)
    return sorted(pictures, key=lambda picture: picture.path)


def check_folder(root: Path) -> None:
    """Refuses what is no folder.

    Raises:
        InputError: it is a file, or not there.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise InputError(f"data folder '{root}'", expected="a folder", found=found)


def _list_cats_dogs(root: Path) -> list[Picture]:
    pictures = []
    for folder in _visible(root):
        if folder.name.lower() in features.CLASS_NAMES and folder.is_dir():
            label = features.CLASS_NAMES.index(folder.name.lower())
            for name in file_names(Path(folder.path), PICTURE_EXTENSIONS):
                number = int(_stem(name)) if re.fullmatch("[0-9]+", _stem(name)) else None
                pictures.append(_picture(f"{folder.name}/{name}", label=label, number=number))
    pictures += _list_flat(root)
    if not pictures:
        raise not_this_layout(
            root, "cats_dogs", "Cat/*.jpg and Dog/*.jpg, or cat.N.jpg and dog.N.jpg"
        )
    return pictures


def _list_flat(root: Path) -> list[Picture]:
    """`cat.N.jpg`, `dog.N.jpg` beside each other, as in Kaggle's own archive.

    Where at least one file is named so, pictures with other names are listed as a problem;
    otherwise they are strangers beside the class folders.
    """
    names = list(file_names(root, PICTURE_EXTENSIONS))
    matches = {name: _FLAT_NAME.fullmatch(name) for name in names}
    if not any(matches.values()):
        return []
    pictures = []
    for name, match in matches.items():
        if match is None:
            pictures.append(Picture(path=name, problem=NO_CLASS))
        else:
            label = features.CLASS_NAMES.index(match[1].lower())
            pictures.append(_picture(name, label=label, number=int(match[2])))
    return pictures


def _list_pets(root: Path) -> list[Picture]:
    names = list(file_names(root / PETS_IMAGES, PICTURE_EXTENSIONS))
    masks = {_stem(name): name for name in file_names(root / PETS_MASKS, MASK_EXTENSIONS)}
    if not names or not masks:
        raise not_this_layout(
            root, "pets", f"pictures in {PETS_IMAGES}/ and .png masks in {PETS_MASKS}/"
        )
    pictures = []
    for name in names:
        mask = masks.get(_stem(name))
        pictures.append(
            _picture(
                f"{PETS_IMAGES}/{name}",
                mask_path=f"{PETS_MASKS}/{mask}" if mask else None,
                problem=None if mask else NO_MASK,
            )
        )
    stems = {_stem(name) for name in names}
    pictures += [
        Picture(path=f"{PETS_MASKS}/{mask}", problem=NO_PICTURE)
        for stem, mask in masks.items()
        if stem not in stems
    ]
    return pictures


LAYOUTS: dict[str, Callable[[Path], list[Picture]]] = {
    "cats_dogs": _list_cats_dogs,
    "pets": _list_pets,
}
LAYOUT_NAMES = (*LAYOUTS, BLOBS)


def _picture(
    path: str,
    *,
    label: int | None = None,
    mask_path: str | None = None,
    number: int | None = None,
    problem: str | None = None,
) -> Picture:
    try:
        path.encode()
    except UnicodeEncodeError:  # Linux allows any bytes in a name; a feature holds UTF-8
        problem = BAD_NAME
    return Picture(path, label, mask_path, number, problem)


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Entries of a folder but the hidden ones (`._x.png` is macOS's shadow of `x.png`)."""
    if not folder.is_dir():
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    yield entry
    except PermissionError as error:
        raise InputError(
            f"data folder '{folder}'", expected="a readable folder", found="no permission"
        ) from error


def file_names(folder: Path, extensions: tuple[str, ...]) -> Iterator[str]:
    """Names of the files in a folder with one of the extensions, hidden ones left out."""
    for entry in _visible(folder):
        if entry.name.lower().endswith(extensions) and entry.is_file():
            yield entry.name


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def not_this_layout(root: Path, layout: str, expected: str) -> InputError:
    """The error of a folder that holds none of a layout's files; hints at what it may be."""
    entries = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in _visible(root))
    found = ", ".join(entries[:5]) + (f" and {len(entries) - 5} more" if len(entries) > 5 else "")
    return InputError(
        f"data folder '{root}' is not in the layout '{layout}'",
        expected=expected,
        found=found or "an empty folder",
        todo=_hint(root, layout),
    )


def _hint(root: Path, layout: str) -> str:
    """Which folder or layout would have fitted: a wrong level is the most common mistake."""
    below = sorted(Path(entry.path) for entry in _visible(root) if entry.is_dir())
    for wanted in sorted(LAYOUT_NAMES, key=lambda name: name != layout):
        for folder in below if wanted == layout else [root, *below]:
            if _looks_like(folder, wanted):
                where = "this folder" if folder == root else f"'{folder}'"
                return f"{where} is in the layout '{wanted}'"
    return ""


def _looks_like(folder: Path, layout: str) -> bool:
    if layout == "pets":
        return (folder / PETS_IMAGES).is_dir() and (folder / PETS_MASKS).is_dir()
    if layout == BLOBS:
        return any(file_names(folder, (".csv",)))
    entries = list(_visible(folder))
    return any(
        (entry.name.lower() in features.CLASS_NAMES and entry.is_dir())
        or _FLAT_NAME.fullmatch(entry.name)
        for entry in entries
    )
