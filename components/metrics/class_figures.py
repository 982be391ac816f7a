"""The figures of a classifier, from the arrays of `class_counts.ClassCounts`."""

from collections.abc import Iterator, Mapping

import numpy as np

from components.metrics import intervals

# (metric, class id or None, value or None, half of its 95% interval or None)
Figure = tuple[str, int | None, float | None, float | None]


def overall_figures(arrays: Mapping[str, np.ndarray], loss: str) -> Iterator[Figure]:
    """Accuracy and the mean loss.

    Args:
        arrays: of a slice.
        loss: what the mean loss is called.
    """
    triples, sums = arrays["confusion"], arrays["sums"]
    count = float(triples[:, 2].sum())
    right = triples[triples[:, 0] == triples[:, 1], 2].sum() / count
    yield "accuracy", None, float(right), intervals.of_share(float(right), count)
    total, squares = sums[:2].tolist()
    yield loss, None, total / count, intervals.of_mean(total, squares, count)


def top_k_figures(arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
    """The share of Examples whose class is among the `class_counts.TOP_K` most probable ones."""
    count = float(arrays["confusion"][:, 2].sum())
    share = float(arrays["sums"][2] / count)
    yield "top_k_accuracy", None, share, intervals.of_share(share, count)


def class_figures(arrays: Mapping[str, np.ndarray], classes: int) -> Iterator[Figure]:
    """Precision, recall and F1 of every class, each against the rest.

    Without a predicted Example there is no precision; without a true one no recall and no F1.

    Args:
        arrays: of a slice.
        classes: number of classes.
    """
    triples = arrays["confusion"]
    right, true, predicted = _totals(triples, classes)
    f1 = _f1(right, true, predicted)
    variances = intervals.f1_variances(triples, f1, true + predicted)
    for class_id in range(classes):
        for metric, count in (("precision", predicted[class_id]), ("recall", true[class_id])):
            share = float(right[class_id] / count) if count else None
            half = None if share is None else intervals.of_share(share, float(count))
            yield metric, class_id, share, half
        yield "f1", class_id, *_known(f1[class_id], variances[class_id])


def macro_f1(arrays: Mapping[str, np.ndarray], classes: int) -> Iterator[Figure]:
    """The mean of the classes' F1; those without a true Example have none and are left out.

    Args:
        arrays: of a slice.
        classes: number of classes.
    """
    triples = arrays["confusion"]
    right, true, predicted = _totals(triples, classes)
    f1 = _f1(right, true, predicted)
    variance = intervals.f1_variances(triples, f1, true + predicted)[-1]
    yield "macro_f1", None, *_known(np.nanmean(f1), variance)


def auc_figures(arrays: Mapping[str, np.ndarray], *, single: bool) -> Iterator[Figure]:
    """The area under the ROC curve: of two classes of the second, of more their mean.

    The mean leaves out classes without an Example, and has no interval. Nothing has an area where
    all Examples are of one class.

    Args:
        arrays: of a slice.
        single: whether to give that of every class against the rest, too, of more than two.
    """
    areas = arrays.get("auc")
    if areas is None:
        yield "auc", None, None, None
    elif len(areas) == 1:
        yield "auc", None, *_known(*areas[0])
    else:
        yield "auc", None, float(np.nanmean(areas[:, 0])), None
        if single:
            for class_id, (area, variance) in enumerate(areas):
                yield "auc", class_id, *_known(area, variance)


def _totals(triples: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is right, true and predicted of each class: float64 [classes] each."""
    truth, predicted, count = triples.T
    hits = truth == predicted
    return (
        np.bincount(truth[hits], count[hits], classes),
        np.bincount(truth, count, classes),
        np.bincount(predicted, count, classes),
    )


def _f1(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return np.divide(2 * right, true + predicted, out=np.full(len(true), np.nan), where=true > 0)


def _known(value: float, variance: float) -> tuple[float | None, float | None]:
    """A value and half its interval; None for both if it is no number."""
    if not np.isfinite(value):
        return None, None
    return float(value), intervals.half_width(float(variance))
