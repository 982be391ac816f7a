"""Colors of mask classes that readers tell apart who do not see red and green apart, too."""

from collections.abc import Sequence

import numpy as np

from serving.classes import IGNORED, Color
from serving.errors import InputError

BOOK = ("foreground", "background", "contour")
BOOK_COLORS: tuple[Color, ...] = ((230, 159, 0), (30, 64, 110), (245, 245, 240))

# Okabe and Ito, "Color Universal Design" (2008).
FIRST: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (0, 0, 0),
)
_LEVELS = 9  # of each channel that the others are chosen from: 729 colors
# Linear RGB as eyes without green, and without red, receptors see it; Machado et al., "A
# Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.
_EYES = np.array(
    [
        np.eye(3),
        [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
        [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    ]
)


def palette(names: Sequence[str]) -> tuple[Color, ...]:
    """A color for each class: the same names get the same ones, all of them distinct.

    The book's for the book's three classes; else Okabe's and Ito's eight, and after those always
    the color farthest from all before it, to the eye that tells them apart worst.

    Raises:
        InputError: more classes than a mask can hold.
    """
    if len(names) > IGNORED:
        raise InputError(
            "classes of masks", expected=f"at most {IGNORED}", found=f"{len(names):,} classes"
        )
    if tuple(names) == BOOK:
        return BOOK_COLORS
    steps = np.rint(np.linspace(0, 255, _LEVELS))
    free = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    seen, chosen = _seen(free), list(FIRST[: len(names)])
    apart = np.min([_distances(seen, _seen(np.array([color]))) for color in chosen], axis=0)
    while len(chosen) < len(names):
        at = int(apart.argmax())
        red, green, blue = (int(value) for value in free[at])
        chosen.append((red, green, blue))
        apart = np.minimum(apart, _distances(seen, seen[:, at : at + 1]))
    return tuple(chosen)


def _distances(some: np.ndarray, one: np.ndarray) -> np.ndarray:
    """[eyes, n, 3] and [eyes, 1, 3] -> [n]: the smallest of the eyes' distances."""
    distances: np.ndarray = np.linalg.norm(some - one, axis=-1).min(axis=0)
    return distances


def _seen(colors: np.ndarray) -> np.ndarray:
    """RGB [n, 3] in [0, 255] -> what each eye sees of it, RGB [eyes, n, 3] in about [0, 1]."""
    return np.clip((colors / 255) ** 2.2 @ _EYES.swapaxes(1, 2), 0, 1) ** (1 / 2.2)
