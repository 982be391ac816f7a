"""Drawn data: pictures of cats and dogs in the layouts of the real data sets, clouds of points.

The two classes differ in shape alone (ears, muzzle, tail, build); coat, light, background, scale,
position and pose come from the same distributions, so that colours tell nothing about the class.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components import features
from components.datasets import blobs, drawing
from components.datasets.layouts import BLOBS, LAYOUT_NAMES, PETS_IMAGES, PETS_MASKS
from serving.errors import InputError, check_one_of

MARKER = ".pawlens_synth.json"  # says that the folder's data was made here, and how much
POINTS_FILE = "points.csv"

_SIDES = (150, 260)  # pixels, smallest and largest side drawn by chance
_JPEG_QUALITY = 90
_PET_NAMES = ("Synthcat", "synthdog")  # Oxford-IIIT Pet capitalises the names of cat breeds


def synthesize(
    root: Path, layout: str, count: int, seed: int = 1337, size: tuple[int, int] | None = None
) -> int:
    """Draws pictures or points into a folder, both classes in turn.

    Picture i depends on the seed and on i alone, so a larger count leaves the earlier pictures
    as they are; so it is with points. In a folder made earlier only what differs is written, and
    surplus ones removed.

    Args:
        root: the folder; new, empty, or made by this function in the same layout.
        layout: `cats_dogs` (`Cat/0.jpg`, `Dog/0.jpg`, ...) or `pets` (`images/*.jpg` with exact
            trimaps in `annotations/trimaps/*.png`: 1 foreground, 2 background, 3 contour) or
            `blobs` (`points.csv`, see `blobs.draw_points`).
        count: number of pictures or points.
        seed: not negative.
        size: of pictures, width and height in pixels; None draws both from 150 to 260 for each.

    Returns:
        Number of pictures or points in the folder: `count`.

    Raises:
        InputError: an argument is out of its range, or the folder holds something else.
    """
    root = Path(root)
    _check_arguments(layout, count, seed, size)
    before = _claimed(root, layout)
    _mark(root, layout, max(before, count))  # before drawing: an interrupted folder stays ours
    if layout == BLOBS:
        _write(root / POINTS_FILE, blobs.points_csv(count, seed))
    else:
        _draw_pictures(root, layout, count, seed, size)
        for index in range(count, before):
            for path in filter(None, _paths(root, layout, index)):
                path.unlink(missing_ok=True)
    _mark(root, layout, count)
    return count


def _draw_pictures(
    root: Path, layout: str, count: int, seed: int, size: tuple[int, int] | None
) -> None:
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        label = index % len(features.CLASS_NAMES)
        picture_path, mask_path = _paths(root, layout, index)
        image, silhouette = drawing.draw(rng, label, size or _random_size(rng))
        _save(image, picture_path, "JPEG", quality=_JPEG_QUALITY)
        if mask_path:
            _save(drawing.trimap(silhouette), mask_path, "PNG")


def _save(image: Image.Image, path: Path, file_format: str, **options: Any) -> None:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    _write(path, buffer.getvalue())


def _write(path: Path, content: bytes) -> None:
    """Writes a file, unless it already holds that: its time tells of changes."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _random_size(rng: np.random.Generator) -> tuple[int, int]:
    width, height = (int(side) for side in rng.integers(_SIDES[0], _SIDES[1] + 1, 2))
    return (width, width) if rng.random() < 0.15 else (width, height)


def _paths(root: Path, layout: str, index: int) -> tuple[Path, Path | None]:
    """Where picture `index` and its mask go."""
    number, label = divmod(index, len(features.CLASS_NAMES))
    if layout == "cats_dogs":
        return root / features.CLASS_NAMES[label].capitalize() / f"{number}.jpg", None
    stem = f"{_PET_NAMES[label]}_{number}"
    return root / PETS_IMAGES / f"{stem}.jpg", root / PETS_MASKS / f"{stem}.png"


def _check_arguments(layout: str, count: int, seed: int, size: tuple[int, int] | None) -> None:
    check_one_of("layout", layout, LAYOUT_NAMES)
    if count < 1:
        raise InputError("count", expected="at least 1", found=str(count))
    if seed < 0:
        raise InputError("seed", expected="0 or more", found=str(seed))
    if size is not None and not all(32 <= side <= 4096 for side in size):
        raise InputError("size", expected="sides from 32 to 4096 pixels", found=f"{size}")


def _claimed(root: Path, layout: str) -> int:
    """How many pictures an earlier call made here; 0 in a new or empty folder.

    Raises:
        InputError: the folder is not ours to write to.
    """
    where = f"folder '{root}'"
    todo = "name a new or empty folder"
    if root.exists() and not root.is_dir():
        raise InputError(where, expected="a folder", found="a file", todo=todo)
    if not root.exists() or not any(root.iterdir()):
        return 0
    marker = root / MARKER
    if not marker.is_file():
        raise InputError(
            where,
            expected="an empty folder or one of drawn data",
            found="other files",
            todo=todo,
        )
    try:
        made = json.loads(marker.read_text(encoding="utf-8"))
        made_layout, made_count = str(made["layout"]), int(made["count"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{marker}'", expected="layout and count as JSON", found="something else", todo=todo
        ) from error
    if made_layout != layout:
        raise InputError(
            where, expected=f"drawn data in layout '{layout}'", found=f"'{made_layout}'", todo=todo
        )
    return made_count


def _mark(root: Path, layout: str, count: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"layout": layout, "count": count})
    (root / MARKER).write_text(text + "\n", encoding="utf-8")
