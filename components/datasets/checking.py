"""What is in a data folder, counted before a run is spent on it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components import features
from components.datasets.layouts import BLOBS, LAYOUT_NAMES, Picture, list_pictures
from components.datasets.points import list_points
from serving.errors import check_one_of

UNREADABLE = "unreadable"


def check(root: Path, layout: str, verify: bool = False) -> dict[str, Any]:
    """Counts the pictures or the points of a data folder.

    Args:
        root: the data folder.
        layout: one of `layouts.LAYOUT_NAMES`.
        verify: also open every picture and mask and read its header. A run decodes every pixel
            and may therefore refuse more. Points are read whole either way; a run also refuses
            equal ones.

    Returns:
        `found`, `usable`, `problems` (reason to number) with found = usable + all problems; and
        of the usable ones, `classes` (class name to number, where the layout tells classes) and
        `with_masks`.

    Raises:
        InputError: the layout is unknown, or the folder is not in that layout.
    """
    check_one_of("layout", layout, LAYOUT_NAMES)
    if layout == BLOBS:
        points = list_points(root)
        labels = [point.label for point in points]
        return _counts(layout, features.POINT_CLASS_NAMES, labels, [p.problem for p in points], 0)
    pictures = list_pictures(root, layout)
    problems = [
        picture.problem or (_unreadable(Path(root), picture) if verify else None)
        for picture in pictures
    ]
    masks = sum(
        picture.mask_path is not None and not problem
        for picture, problem in zip(pictures, problems, strict=True)
    )
    names = features.CLASS_NAMES if layout == "cats_dogs" else ()
    return _counts(layout, names, [picture.label for picture in pictures], problems, masks)


def _counts(
    layout: str,
    class_names: Sequence[str],
    labels: Sequence[int | None],
    problems: Sequence[str | None],
    with_masks: int,
) -> dict[str, Any]:
    usable = [label for label, problem in zip(labels, problems, strict=True) if not problem]
    return {
        "layout": layout,
        "found": len(labels),
        "usable": len(usable),
        "classes": {name: usable.count(index) for index, name in enumerate(class_names)},
        "with_masks": with_masks,
        "problems": dict(sorted(Counter(filter(None, problems)).items())),
    }


def _unreadable(root: Path, picture: Picture) -> str | None:
    from PIL import Image

    for path in filter(None, (picture.path, picture.mask_path)):
        try:
            with Image.open(root / path) as image:
                image.verify()
        except (
            OSError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ):  # what Pillow raises on broken files
            return UNREADABLE
    return None
