"""What was taken for what: counts by true and predicted class, and the ROC curve from counts.

After Fawcett, "An introduction to ROC analysis" (2006), sections 2 and 4.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def count_pairs(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts every pair of classes.

    Args:
        truth: integers of any shape, class ids in [0, classes).
        predicted: integers of the same shape, class ids in [0, classes).
        classes: number of classes.

    Returns:
        int64 [classes, classes]: rows are the true classes, columns the predicted ones.
    """
    pairs = truth.astype(np.int64).ravel() * classes + predicted.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_ious(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class.

    Args:
        counts: int64 [classes, classes]: pixels by true and by predicted class.

    Returns:
        float64 [classes] in [0, 1]; NaN for a class that is neither true nor predicted anywhere.
    """
    intersection = np.diag(counts).astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - intersection
    return np.divide(intersection, union, out=np.full(len(counts), np.nan), where=union > 0)


def confusion_at(counts: np.ndarray, thresholds: Sequence[float], decision: float) -> np.ndarray:
    """The confusion matrix of two classes at one of the thresholds.

    Args:
        counts: int64 [2, thresholds + 1]; see `score_counts.ScoreCounts`.
        thresholds: ascending.
        decision: one of the thresholds; scores above it are taken for class 1.

    Returns:
        int64 [2, 2]: rows are the true classes, columns the predicted ones.
    """
    ones = thresholds.index(decision) + 1
    return np.stack([counts[:, :ones].sum(axis=1), counts[:, ones:].sum(axis=1)], axis=1)


def roc_curve(counts: np.ndarray, thresholds: Sequence[float]) -> list[dict[str, float]] | None:
    """The ROC curve of class 1, from (0, 0) to (1, 1).

    Args:
        counts: int64 [2, thresholds + 1]; see `score_counts.ScoreCounts`.
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
    points: list[dict[str, Any]] = []
    last = None
    for threshold, found in zip(reversed(thresholds), above.T.tolist(), strict=True):
        if found != last:
            false_positive_rate, recall = (found / totals).tolist()
            points.append(
                {
                    "threshold": threshold,
                    "false_positive_rate": false_positive_rate,
                    "recall": recall,
                }
            )
        last = found
    return points
