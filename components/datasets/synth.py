"""Drawn data: images of animals in the layouts of real data sets, clouds of points.

The classes differ in shape alone (ears, muzzle, tail, build); coat, light, background, scale,
position and pose come from the same distributions, so that colours tell nothing about the class.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.datasets import anatomy, drawing
from components.datasets.pictures import encode
from components.datasets.recognition import IMAGES, MASK_FOLDERS, OXFORD_LIST, POINT_COLUMNS
from serving.classes import IGNORED
from serving.errors import InputError, check_one_of

LAYOUTS = ("class_folders", "masks", "oxford_list", "points")
LABELLED = ("class_folders", "oxford_list")  # each picture has a class, which a mark can tell
MARKER = ".pawlens_synth.json"  # says that the folder's data was made here, and how much
POINTS_FILE = "points.csv"
POINT_LABELS = ("negative", "positive")

# The two clouds of the book ("Deep Learning with Python", 2nd edition, chapter 3).
_MEANS = ((0.0, 3.0), (3.0, 0.0))  # x and y, by class
_COVARIANCE = ((1.0, 0.5), (0.5, 1.0))  # of both classes

_SIDES = (150, 260)  # pixels, smallest and largest side drawn by chance
_JPEG_QUALITY = 90
_PET_NAMES = ("Synthcat", "synthdog")  # Oxford-IIIT Pet capitalises the names of cat breeds


class _Kind(NamedTuple):
    """What is drawn into a folder; no other kind is drawn into the same one."""

    layout: str
    classes: int
    shortcut: str

    def __str__(self) -> str:
        mark = f" with the shortcut '{self.shortcut}'" if self.shortcut else ""
        return f"{self.classes} in '{self.layout}'{mark}"


def synthesize(
    root: Path,
    layout: str,
    count: int,
    seed: int = 1337,
    size: tuple[int, int] | None = None,
    *,
    classes: int = 2,
    shortcut: str = "",
) -> None:
    """Draws images or points into a folder, all classes in turn.

    Image i depends on the seed, the number of classes and i alone, so a larger count leaves the
    earlier ones as they are; so it is with points. In a folder made earlier only what differs is
    written, and surplus ones removed.

    Args:
        root: the folder; new, empty, or made by this function in the same layout.
        layout: `class_folders` (`Cat/0.jpg`, `Dog/0.jpg`, ...), `masks` (`images/*.jpg` with exact
            masks), `oxford_list` (the masks of two classes, and `annotations/list.txt` with the
            classes) or `points` (`points.csv`, see `draw_points`). Masks of two classes are
            trimaps in `annotations/trimaps/*.png`: 1 foreground, 2 background, 3 contour. With more
            they are label maps in `masks/*.png`: 0 background, an id for each further class, which
            is an animal, and IGNORED on contours.
        count: number of images or points.
        seed: not negative.
        size: of images, width and height in pixels; None draws both from 150 to 260 for each.
        classes: number of them, 2 to the number of `anatomy.NAMES`; of points and of oxford_list
            always 2.
        shortcut: where a mark gives the class away, one of `drawing.SHORTCUTS`, in a layout of
            `LABELLED`; else the pictures are the same. Empty: nowhere.

    Raises:
        InputError: an argument is out of its range, or the folder holds something else.
    """
    root = Path(root)
    kind = _Kind(layout, classes, shortcut)
    _check_arguments(kind, count, seed, size)
    before = _claimed(root, kind)
    # Before drawing: an interrupted folder stays ours.
    _mark(root, kind, max(before, count))
    if layout == "points":
        _write(root / POINTS_FILE, points_csv(count, seed))
    else:
        for index in range(count):
            _draw_image(np.random.default_rng([seed, index]), root, kind, index, size)
        for index in range(count, before):
            for path in _paths(root, kind, index):
                path.unlink(missing_ok=True)
    if layout == "oxford_list":
        # Name, class, species and breed in the species: one breed each.
        stems = [_paths(root, kind, index)[0].stem for index in range(count)]
        lines = [f"{stem} {n % 2 + 1} {n % 2 + 1} 1\n" for n, stem in enumerate(stems)]
        _write(root / OXFORD_LIST, "".join(lines).encode())
    _mark(root, kind, count)


def draw_points(count: int, seed: int) -> np.ndarray:
    """Points of both classes in turn, float64 [count, 2]: x and y.

    The class of row i is i modulo 2; it depends on the seed, not negative, and on i alone.
    """
    spread = np.linalg.cholesky(np.asarray(_COVARIANCE)).T
    normal = [np.random.default_rng([seed, index]).standard_normal(2) for index in range(count)]
    return np.reshape(normal, (count, 2)) @ spread + np.resize(_MEANS, (count, 2))


def points_csv(count: int, seed: int) -> bytes:
    """The points of `draw_points` as the file that the layout `points` reads."""
    lines = [",".join(POINT_COLUMNS)]
    for index, (x, y) in enumerate(draw_points(count, seed)):
        lines.append(f"{x:.6f},{y:.6f},{POINT_LABELS[index % 2]}")
    return ("\n".join(lines) + "\n").encode()


def _draw_image(
    rng: np.random.Generator, root: Path, kind: _Kind, index: int, size: tuple[int, int] | None
) -> None:
    """Draws an animal, and where it has a mask a trimap, or ids: its own is one above its label."""
    ids = kind.layout == "masks" and kind.classes > 2
    label = index % (kind.classes - 1 if ids else kind.classes)  # class 0 is the background
    image, silhouette = drawing.draw(rng, label, size or _random_size(rng))
    if kind.shortcut:  # last of all chance
        drawing.add_shortcut(rng, image, silhouette, label, kind.shortcut)
    drawn, paths = [image], _paths(root, kind, index)
    if paths[1:]:
        to_id = {drawing.FOREGROUND: label + 1, drawing.CONTOUR: IGNORED}
        mask = drawing.trimap(silhouette)
        drawn.append(mask.point(lambda value: to_id.get(value, 0)) if ids else mask)
    for path, one in zip(paths, drawn, strict=True):
        form = {".jpg": "JPEG", ".png": "PNG"}[path.suffix]
        _write(path, encode(one, form, quality=_JPEG_QUALITY))


def _write(path: Path, content: bytes) -> None:
    """Writes a file, unless it already holds that: its time tells of changes."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _random_size(rng: np.random.Generator) -> tuple[int, int]:
    width, height = (int(side) for side in rng.integers(_SIDES[0], _SIDES[1] + 1, 2))
    return (width, width) if rng.random() < 0.15 else (width, height)


def _paths(root: Path, kind: _Kind, index: int) -> list[Path]:
    """Where image `index` and its mask go."""
    number, label = divmod(index, kind.classes)
    if kind.layout == "class_folders":
        return [root / anatomy.NAMES[label].capitalize() / f"{number}.jpg"]
    stem = f"{_PET_NAMES[label]}_{number}" if kind.classes == 2 else f"drawn_{index}"
    masks = MASK_FOLDERS[1 if kind.classes == 2 else 0]
    return [root / IMAGES / f"{stem}.jpg", root / masks / f"{stem}.png"]


def _check_arguments(kind: _Kind, count: int, seed: int, size: tuple[int, int] | None) -> None:
    layout, classes, shortcut = kind
    check_one_of("layout", layout, LAYOUTS)
    if shortcut:
        check_one_of("shortcut", shortcut, drawing.SHORTCUTS)
    most = 2 if layout in ("points", "oxford_list") else len(anatomy.NAMES)
    labelled = " or ".join(LABELLED)
    rules = (
        ("classes", 2 <= classes <= most, f"2 to {most}", classes),
        ("count", count >= 1, "at least 1", count),
        ("seed", seed >= 0, "0 or more", seed),
        ("size", all(32 <= side <= 4096 for side in size or ()), "sides of 32 to 4096", size),
        ("shortcut", not shortcut or layout in LABELLED, f"the layout {labelled}", layout),
    )
    for name, right, expected, found in rules:
        if not right:
            raise InputError(name, expected=expected, found=str(found))


def _claimed(root: Path, kind: _Kind) -> int:
    """How many images an earlier call made here; 0 in a new or empty folder.

    Raises:
        InputError: the folder is not ours to write to.
    """
    found = f"a file at '{root}'"
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return 0
    if root.is_dir():
        try:
            made = json.loads((root / MARKER).read_text(encoding="utf-8"))
            made_kind = _Kind(made["layout"], made.get("classes", 2), made.get("shortcut", ""))
            if made_kind == kind:
                return int(made["count"])
            found = str(made_kind)
        except FileNotFoundError:
            found = "other files"
        except (ValueError, KeyError, TypeError, AttributeError):
            found = f"another {MARKER}"
    raise InputError(
        f"folder '{root}'",
        expected=f"an empty folder, or drawn data: {kind}",
        found=found,
        todo="name a new or empty folder",
    )


def _mark(root: Path, kind: _Kind, count: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    text = json.dumps(kind._asdict() | {"count": count})
    (root / MARKER).write_text(text + "\n", encoding="utf-8")
