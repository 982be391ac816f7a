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
_EYES = (
    np.eye(3),
    [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
)
# Linear RGB to XYZ over the white of sRGB (IEC 61966-2-1).
_XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]])


def palette(names: Sequence[str]) -> tuple[Color, ...]:
    """A color for each class: the same names get the same ones, all of them distinct.

    Args:
        names: of the classes, at most `IGNORED`.

    Returns:
        The book's for the book's three classes; else Okabe's and Ito's eight, and after those
        always the color farthest from all before it, to the eye that tells them apart worst.

    Raises:
        InputError: more classes than a mask can hold.
    """
    if len(names) > IGNORED:
        raise InputError(
            "classes of masks", expected=f"at most {IGNORED}", found=f"{len(names):,} classes"
        )
    if tuple(names) == BOOK:
        return BOOK_COLORS
    if len(names) <= len(FIRST):
        return FIRST[: len(names)]
    return _extended(len(names))


def _extended(count: int) -> tuple[Color, ...]:
    steps = np.rint(np.linspace(0, 255, _LEVELS))
    free = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = list(FIRST)
    seen = _seen(free)
    apart = np.min([_distances(seen, _seen(np.array([color]))) for color in chosen], axis=0)
    while len(chosen) < count:
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
    """RGB [n, 3] in [0, 255] -> CIE L*a*b* [eyes, n, 3], in which distances are as seen."""
    share = colors / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    received = np.stack([np.clip(linear @ np.transpose(eye), 0, 1) for eye in _EYES])
    xyz = received @ _XYZ.T
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
