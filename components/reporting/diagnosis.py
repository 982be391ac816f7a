"""What a classifier's probabilities tell: how far to trust them, and which labels to look at.

Throughout, `truth` is int64 [n], class ids, and `probabilities` float [n, classes], rows that sum
to 1, of pictures that the model was not trained on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

BINS = 15  # as in Guo et al.
CURVES = 8  # classes whose curves are drawn
POINTS = 100  # of a drawn curve, at most
LIKELIEST = 5  # classes of a row of `artifacts.PREDICTIONS`
_ROUNDING = 1e-6  # a mean of equal numbers may exceed each of them


@dataclass(frozen=True)
class Answers:
    """What a classifier said of the first images of a split."""

    keys: list[str]  # split keys
    origins: list[str]  # files
    truth: np.ndarray  # int64 [n]
    probabilities: np.ndarray  # float64 [n, classes]

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """As `artifacts.PREDICTIONS` has them; `names` are of the classes."""
        columns = (self.keys, self.origins, self.truth, self.probabilities)
        for key, origin, label, row in zip(*columns, strict=True):
            likeliest = np.argsort(-row, kind="stable")[:LIKELIEST].tolist()
            yield {
                "key": key,
                "origin": origin,
                "label": names[label],
                "predicted": names[likeliest[0]],
                "probabilities": {names[of]: round(float(row[of]), 6) for of in likeliest},
            }


class Bin(NamedTuple):
    """Answers of about the same confidence, which is the probability of the predicted class."""

    size: int
    confidence: float  # their mean; 0 of none
    accuracy: float  # share of right ones; 0 of none


class Curve(NamedTuple):
    """How well one class is told from the rest, at every threshold of its probability."""

    name: str
    auc: float  # area under the ROC curve
    precision: float  # the average one
    roc: list[tuple[float, float]]  # false positive rate, recall
    recalled: list[tuple[float, float]]  # recall, falling, and precision


def calibration(truth: np.ndarray, probabilities: np.ndarray) -> list[Bin]:
    """Answers by confidence, in `BINS` bins of equal width, each with its upper edge.

    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.digitize(confidence, np.linspace(0, 1, BINS + 1)[1:-1], right=True)
    counts = np.bincount(place, minlength=BINS)
    sums = np.stack([np.bincount(place, of, BINS) for of in (confidence, right)])
    means = np.divide(sums, counts, out=np.zeros(sums.shape), where=counts > 0)
    return [Bin(*row) for row in zip(counts.tolist(), *means.tolist(), strict=True)]


def calibration_error(bins: Sequence[Bin]) -> float:
    """ECE: the mean distance of accuracy and confidence, in [0, 1]; NaN of no answers."""
    counts, confidence, accuracy = np.array(bins).T
    total = counts.sum()
    return float(counts @ np.abs(accuracy - confidence) / total) if total else float("nan")


def curves(truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> list[Curve]:
    """One class against the rest; without classes that no or every Example is of."""
    from sklearn import metrics

    found = []
    for at, name in enumerate(names):
        positive, score = truth == at, probabilities[:, at]
        if positive.any() and not positive.all():
            false, true, _ = metrics.roc_curve(positive, score)
            precision, recall, _ = metrics.precision_recall_curve(positive, score)
            average = float(metrics.average_precision_score(positive, score))
            lines = _thinned(false, true), _thinned(recall, precision)
            found.append(Curve(name, float(metrics.auc(false, true)), average, *lines))
    return found


def suspects(truth: np.ndarray, probabilities: np.ndarray) -> list[tuple[int, int]]:
    """Labels off the diagonal of the confident joint, the likeliest mistakes first.

    Confident learning: Northcutt, Jiang and Chuang (2021). A class is held possible where its
    probability reaches its mean over the Examples of that label; the likeliest possible class is
    taken for the true one. They are ranked by the normalised margin, of the label's probability
    over the largest other one; where the label itself is the likeliest class nothing speaks
    against it.

    Returns:
        Row, and the class that is suggested instead.
    """
    rows, classes = np.arange(len(truth)), probabilities.shape[1]
    own, counts = probabilities[rows, truth], np.bincount(truth, minlength=classes)
    means = np.full(classes, np.inf)
    np.divide(np.bincount(truth, own, classes), counts, out=means, where=counts > 0)
    possible = np.where(probabilities >= means - _ROUNDING, probabilities, -1.0)
    suggested = possible.argmax(axis=1)
    others = probabilities.astype(np.float64)
    others[rows, truth] = -np.inf
    margin = own - others.max(axis=1)
    doubted = (possible.max(axis=1) >= 0) & (suggested != truth) & (margin < 0)
    ranked = [row for row in np.argsort(margin, kind="stable").tolist() if doubted[row]]
    return [(row, int(suggested[row])) for row in ranked]


def diagnosis(answers: Answers, names: Sequence[str]) -> dict[str, Any]:
    """What the page shows of them: calibration, and the curves of the classes that do worst."""
    bins = calibration(answers.truth, answers.probabilities)
    found = curves(answers.truth, answers.probabilities, names)
    worst = {curve.name for curve in sorted(found, key=lambda curve: curve.precision)[:CURVES]}
    known = {curve.name for curve in found}
    return {
        "bins": bins,
        "error": calibration_error(bins),
        "confidence": float(answers.probabilities.max(axis=1).mean()),
        "accuracy": sum(one.size * one.accuracy for one in bins) / len(answers.keys),
        "curves": [curve for curve in found if curve.name in worst],
        "measured": len(found),
        "absent": [name for name in names if name not in known],
    }


def _thinned(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """At most `POINTS` of a line's points, the first and the last among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    return list(zip(x[kept].tolist(), y[kept].tolist(), strict=True))
