"""What was taken for what: counts by true and predicted class, and what is read from them.

After Fawcett, "An introduction to ROC analysis" (2006), sections 2 and 4. Scores are counted at the
thresholds of a grid; a score is above a threshold if it is greater.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

MOST = 50  # confusions that are listed


def count_pairs(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts every pair: int64 [classes, classes], rows are the true classes.

    Args:
        truth: integers of any shape; what is no class id in [0, classes) counts nowhere.
        predicted: integers of the same shape, class ids in [0, classes).
        classes: how many.
    """
    truth, predicted = truth.astype(np.int64).ravel(), predicted.astype(np.int64).ravel()
    known = (truth >= 0) & (truth < classes)
    pairs = (truth * classes + predicted)[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def to_triples(counts: np.ndarray) -> np.ndarray:
    """The counts that are not 0: int64 [k, 3], (true, predicted, count) by true class."""
    truth, predicted = np.nonzero(counts)
    return np.stack([truth, predicted, counts[truth, predicted]], axis=1).astype(np.int64)


def from_triples(triples: np.ndarray, classes: int) -> np.ndarray:
    """The counts int64 [classes, classes] that `to_triples` was given."""
    counts = np.zeros((classes, classes), np.int64)
    counts[triples[:, 0], triples[:, 1]] = triples[:, 2]
    return counts


def accuracy(counts: np.ndarray) -> float:
    """Share of what is right, in [0, 1]; NaN of nothing."""
    total = counts.sum()
    return float(np.trace(counts) / total) if total else float("nan")


def class_ious(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, float64 [classes] in [0, 1].

    NaN for a class that is neither true nor predicted anywhere.
    """
    intersection = np.diag(counts).astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - intersection
    return np.divide(intersection, union, out=np.full(len(counts), np.nan), where=union > 0)


def mean_iou(counts: np.ndarray) -> float:
    """Mean of the classes' IoUs; classes that never occur are left out. NaN of nothing."""
    ious = class_ious(counts)
    return float(np.nanmean(ious)) if counts.any() else float("nan")


def top_confusions(counts: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """What is taken for something else most often, of the classes of these names.

    At most `MOST` times `{"true", "predicted", "count"}`, counts falling.
    """
    triples = to_triples(counts)
    wrong = triples[triples[:, 0] != triples[:, 1]]
    order = np.argsort(-wrong[:, 2], kind="stable")[:MOST]
    return [
        {"true": names[truth], "predicted": names[predicted], "count": count}
        for truth, predicted, count in wrong[order].tolist()
    ]


def roc_curve(counts: np.ndarray, thresholds: Sequence[float]) -> list[dict[str, float]] | None:
    """The ROC curve of class 1, from (0, 0) to (1, 1).

    Args:
        counts: int64 [2, thresholds + 1]: at [c, n] how many examples of class c have a score
            above exactly the first n thresholds.
        thresholds: ascending. No score may lie above the last one; at the first one every score
            counts as above it, so that the curve has both its ends.

    Returns:
        `{"threshold", "false_positive_rate", "recall"}`, thresholds falling, rates in [0, 1] and
        rising; a threshold that changes nothing is left out. None where a class has no examples.
    """
    totals = counts.sum(axis=1)
    if not totals.all():
        return None
    above = counts[:, ::-1].cumsum(axis=1)
    above = np.concatenate([above[:, :-2], totals[:, None]], axis=1)
    points: dict[tuple[float, float], dict[str, float]] = {}
    for threshold, rates in zip(reversed(thresholds), (above.T / totals).tolist(), strict=True):
        false_positive_rate, recall = rates
        point = {"false_positive_rate": false_positive_rate, "recall": recall}
        points.setdefault((false_positive_rate, recall), {"threshold": threshold} | point)
    return list(points.values())


class Grid(NamedTuple):
    """Ascending thresholds."""

    auc: tuple[float, ...]  # between two of them scores count as equal
    roc: tuple[float, ...]  # of the curve that is shown; 0.5, which divides two classes, is in it


# Of probabilities. The first are those that TensorFlow Model Analysis comes to with its 10,000
# buckets: the bucket above 0 goes with that at 0, and what lies on an edge lies above it. Those of
# the curve are closer to each other the surer a model is: a network's lie mostly near 0 and 1.
_EDGES = np.nextafter(np.arange(2, 10_001) / 10_000, -math.inf)
PROBABILITIES = Grid(
    auc=tuple(_EDGES.tolist()),
    roc=(0.0, *(round(1 / (1 + math.exp(-0.2 * number)), 6) for number in range(-49, 50)), 1.0),
)

# Of scores that are no probabilities: twice the distance of the targets 0 and 1 to both sides; the
# ends are below and above every score. The curve has every fifth.
_SCORES = (-1e30, *(round(-2 + number * 0.01, 2) for number in range(501)), 1e30)
SCORES = Grid(auc=_SCORES, roc=(_SCORES[0], *_SCORES[1:-1:5], _SCORES[-1]))

GRIDS = {"cross_entropy": PROBABILITIES, "squared_error": SCORES}  # by the loss that is measured
