"""The two clouds of points of the book ("Deep Learning with Python", 2nd edition, chapter 3)."""

import numpy as np

from components import features
from components.datasets.points import COLUMNS

MEANS = ((0.0, 3.0), (3.0, 0.0))  # x and y, by class
COVARIANCE = ((1.0, 0.5), (0.5, 1.0))  # of both classes


def draw_points(count: int, seed: int) -> np.ndarray:
    """Points of both classes in turn; point i depends on the seed and on i alone.

    Args:
        count: number of points.
        seed: not negative.

    Returns:
        float64 [count, 2]: x and y; the class of row i is i modulo 2.
    """
    spread = np.linalg.cholesky(np.asarray(COVARIANCE)).T
    normal = [np.random.default_rng([seed, index]).standard_normal(2) for index in range(count)]
    return np.reshape(normal, (count, 2)) @ spread + np.resize(MEANS, (count, 2))


def points_csv(count: int, seed: int) -> bytes:
    """The points of `draw_points` as the file that `points.list_points` reads."""
    lines = [",".join(COLUMNS)]
    for index, (x, y) in enumerate(draw_points(count, seed)):
        name = features.POINT_CLASS_NAMES[index % len(MEANS)]
        lines.append(f"{x:.6f},{y:.6f},{name}")
    return ("\n".join(lines) + "\n").encode()
