"""How far a figure would vary with other examples: 95% intervals, from sums over the examples.

The infinitesimal jackknife (Jaeckel, 1972; Efron, "The Jackknife, the Bootstrap and Other
Resampling Plans", 1982, chapter 6): where a figure is a smooth function of sums over examples, its
variance is `gradient @ products @ gradient`, with the sums of all products of what an example adds
to two of the sums. It is what the Poisson bootstrap comes to with ever more resamplings. That of
TensorFlow Model Analysis takes 20, each as dear as the evaluation itself, and is another at every
run; this reads counts that are there anyway.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components.evaluator.confusion import class_ious, confusion_at

# Sums over examples, float64 of any shape -> the figure, NaN if it has none.
Figure = Callable[[np.ndarray], float]
# By name of the metric and id of the class; None where it is of no class.
Figures = Mapping[tuple[str, int | None], Figure]

_NORMAL = 1.959964  # 97.5% of a normal distribution lie below
_STEP = 1e-4  # of the numeric gradient, as a share of the sum


def half_width(figure: Figure, sums: np.ndarray, products: np.ndarray) -> float | None:
    """Half of the 95% interval around a figure.

    Args:
        figure: smooth.
        sums: of any shape, n numbers: what all examples add up to.
        products: [n, n]: the sums over all examples of the products of what one adds to two of
            the sums.

    Returns:
        Not negative; 0 where no example makes a difference. None where the figure has no number.
    """
    flat = sums.astype(np.float64).ravel()
    gradient = np.zeros(len(flat))
    with np.errstate(divide="ignore", invalid="ignore"):
        for index in np.flatnonzero(flat):  # what nothing is added to does not vary
            change = np.zeros(len(flat))
            change[index] = _STEP * flat[index]
            above, below = (figure((flat + d).reshape(sums.shape)) for d in (change, -change))
            gradient[index] = (above - below) / (2 * change[index])
    half = _NORMAL * math.sqrt(max(gradient @ products @ gradient, 0.0))
    return half if math.isfinite(half) else None


def score_figures(thresholds: Sequence[float], decision: float) -> Figures:
    """What `eval_config` measures of scores, as functions of `score_counts.ScoreCounts`.

    They serve for the gradient alone: as figures, they are only as close as thresholds lie.

    Args:
        thresholds: ascending, of the counts.
        decision: the threshold that divides the classes.
    """
    # Where the scores between two thresholds lie; the outermost thresholds may be infinite.
    edges = np.clip(thresholds, thresholds[1], thresholds[-2])
    scores = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])

    def decided(figure: Figure) -> Figure:
        return lambda counts: figure(confusion_at(counts, thresholds, decision))

    figures: dict[tuple[str, int | None], Figure] = {
        ("accuracy", None): decided(_right),
        ("auc", None): _auc,
        ("squared_error", None): lambda c: _mean(c, np.stack([scores**2, (1 - scores) ** 2])),
        ("cross_entropy", None): lambda c: _mean(c, -np.log(np.stack([1 - scores, scores]))),
    }
    for class_id in (None, 0, 1):
        row = 1 if class_id is None else class_id  # of one score alone: those of class 1
        figures["precision", class_id] = decided(functools.partial(_precision, row=row))
        figures["recall", class_id] = decided(functools.partial(_recall, row=row))
    return figures


def pixel_figures(classes: int) -> Figures:
    """What `segmentation_metrics` measures, as functions of its sums.

    Args:
        classes: number of classes.
    """
    figures: dict[tuple[str, int | None], Figure] = {
        ("pixel_accuracy", None): _right,
        ("mean_iou", None): mean_iou,
    }
    for class_id in range(classes):
        figures["iou", class_id] = functools.partial(_iou, row=class_id)
    return figures


def mean_iou(counts: np.ndarray) -> float:
    """Mean of the classes' intersections over unions; classes that never occur are left out.

    Args:
        counts: [classes, classes], at least one of them above 0.
    """
    return float(np.nanmean(class_ious(counts)))


def _right(matrix: np.ndarray) -> float:
    return float(np.trace(matrix) / matrix.sum())


def _precision(matrix: np.ndarray, row: int) -> float:
    return float(matrix[row, row] / matrix[:, row].sum())


def _recall(matrix: np.ndarray, row: int) -> float:
    return float(matrix[row, row] / matrix[row].sum())


def _iou(counts: np.ndarray, row: int) -> float:
    return float(class_ious(counts)[row])


def _mean(counts: np.ndarray, values: np.ndarray) -> float:
    return float((counts * values).sum() / counts.sum())


def _auc(counts: np.ndarray) -> float:
    """The chance that an example of class 1 ranks above one of class 0, ties counted half."""
    zeros, ones = counts
    below = zeros.cumsum() - zeros / 2
    return float((ones * below).sum() / (zeros.sum() * ones.sum()))
