"""The figures of a classifier on a slice, from the arrays of `class_counts.ClassCounts`."""

from collections.abc import Iterator, Mapping

import numpy as np

from components.metrics import intervals

# (metric, class id or None, value or None, half of its 95% interval or None)
Figure = tuple[str, int | None, float | None, float | None]


def overall_figures(
    arrays: Mapping[str, np.ndarray], loss: str, *, ranked: bool
) -> Iterator[Figure]:
    """Accuracy, the mean loss by that name, and maybe the share among the first `TOP_K`."""
    triples = arrays["confusion"]
    total, squares, hits = arrays["sums"].tolist()
    count = float(triples[:, 2].sum())
    right = float(triples[triples[:, 0] == triples[:, 1], 2].sum())
    yield "accuracy", None, right / count, intervals.of_share(right / count, count)
    yield loss, None, total / count, intervals.of_mean(total, squares, count)
    if ranked:
        yield "top_k_accuracy", None, hits / count, intervals.of_share(hits / count, count)


def class_figures(
    arrays: Mapping[str, np.ndarray], classes: int, *, single: bool
) -> Iterator[Figure]:
    """Macro F1, and maybe precision, recall and F1 of every class, each against the rest.

    Without a predicted Example there is no precision; without a true one no recall and no F1, and
    the mean of the F1 leaves the class out.

    Args:
        arrays: see above.
        classes: how many.
        single: whether to give those of the classes.
    """
    triples = arrays["confusion"]
    truth, said, count = triples.T
    hits = truth == said
    right = np.bincount(truth[hits], count[hits], classes)
    true, predicted = np.bincount(truth, count, classes), np.bincount(said, count, classes)
    f1 = np.divide(2 * right, true + predicted, out=np.full(classes, np.nan), where=true > 0)
    variances = intervals.f1_variances(triples, f1, true + predicted)
    yield "macro_f1", None, *_known(np.nanmean(f1), variances[-1])
    for class_id in range(classes) if single else ():
        for metric, of in (("precision", predicted[class_id]), ("recall", true[class_id])):
            share = float(right[class_id] / of) if of else None
            half = None if share is None else intervals.of_share(share, float(of))
            yield metric, class_id, share, half
        yield "f1", class_id, *_known(f1[class_id], variances[class_id])


def auc_figures(arrays: Mapping[str, np.ndarray], *, single: bool) -> Iterator[Figure]:
    """The area under the ROC curve: of two classes of the second, of more their mean.

    The mean leaves out classes without an Example, and has no interval. Nothing has an area where
    all Examples are of one class. With `single`, that of every class against the rest, too, where
    there are more than two.
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


def _known(value: float, variance: float) -> tuple[float | None, float | None]:
    """A value and half its interval; None for both if it is no number."""
    if not np.isfinite(value):
        return None, None
    return float(value), intervals.half_width(float(variance))
