"""What is measured of a classifier."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from components import features as f
from components.metrics import intervals
from components.metrics.confusion import GRIDS, from_triples, roc_curve
from components.tasks import parts
from components.tasks.parts import Arrays, Figure
from serving import names

# Up to as many classes, those of the book, slices show the figures of single classes, too.
FEW = 2
RANKED = 5  # with more classes, the five most probable ones mean something


class Part(parts.Evaluation):
    """See `parts.Evaluation`; the arrays are `components.metrics.class_counts.ClassCounts`'s."""

    label: str = f.LABEL
    label_name: str = f.LABEL_NAME
    output: str = names.OUTPUT_PROBABILITIES  # of the model, or a score
    loss: str = "cross_entropy"  # as `ClassCounts` has it, and so the grid
    losses = ("cross_entropy", "squared_error")

    def model_spec(self) -> dict[str, Any]:
        """The label, and the answer."""
        return {"label_key": self.label, "prediction_key": self.output}

    def metrics_specs(self) -> list[Any]:
        """One metric that counts for all figures."""
        from components.metrics.class_counts import ClassCounts
        from components.metrics.specs import metrics_spec

        return [metrics_spec(ClassCounts, classes=len(self.classes), loss=self.loss)]

    def figures(self, arrays: Arrays, *, whole: bool) -> Iterator[Figure]:
        """Accuracy, loss, macro F1, AUC; precision, recall, F1, AUC of single classes."""
        single = self.classes.names if whole or len(self.classes) <= FEW else ()
        yield from self._overall(arrays)
        yield from _of_classes(arrays["confusion"], len(self.classes), single)
        yield from _areas(arrays.get("auc"), single)

    def _overall(self, arrays: Arrays) -> Iterator[Figure]:
        """Accuracy, the mean loss, and maybe the share among the first."""
        truth, said, counts = arrays["confusion"].T
        total, squares, hits = arrays["sums"].tolist()
        count = float(counts.sum())
        right = float(counts[truth == said].sum())
        yield "accuracy", None, right / count, intervals.of_share(right / count, count)
        yield self.loss, None, total / count, intervals.of_mean(total, squares, count)
        if len(self.classes) > RANKED:
            yield "top_k_accuracy", None, hits / count, intervals.of_share(hits / count, count)

    def confusion(self, arrays: Arrays) -> tuple[np.ndarray, list[dict] | None]:
        """Examples, and the curve of the second of two classes."""
        counts = from_triples(arrays["confusion"], len(self.classes))
        return counts, roc_curve(arrays["roc"], GRIDS[self.loss].roc) if "roc" in arrays else None

    def left_out(self, feature: str) -> tuple[str, ...]:
        """Where all are of one class: precision and recall are at most its accuracy again."""
        one_class = feature == self.label_name
        return ("auc", "precision", "recall", "f1", "macro_f1") if one_class else ()

    def truth(self, example: Any, side: int | None) -> np.ndarray:
        """The label."""
        return np.asarray(example.features.feature[self.label].int64_list.value[0])


def _of_classes(triples: np.ndarray, classes: int, single: Sequence[str]) -> Iterator[Figure]:
    """Macro F1; precision, recall and F1 of the classes of these names, each against the rest.

    Without a predicted Example there is no precision; without a true one no recall and no F1, and
    the mean of the F1 leaves the class out.
    """
    truth, said, count = triples.T
    hits = truth == said
    right = np.bincount(truth[hits], count[hits], classes)
    true, predicted = np.bincount(truth, count, classes), np.bincount(said, count, classes)
    f1 = np.divide(2 * right, true + predicted, out=np.full(classes, np.nan), where=true > 0)
    variances = intervals.f1_variances(triples, f1, true + predicted)
    yield "macro_f1", None, *intervals.known(np.nanmean(f1), variances[-1])
    for at, name in enumerate(single):
        for metric, of in (("precision", predicted[at]), ("recall", true[at])):
            share = float(right[at] / of) if of else None
            half = None if share is None else intervals.of_share(share, float(of))
            yield metric, name, share, half
        yield "f1", name, *intervals.known(f1[at], variances[at])


def _areas(areas: np.ndarray | None, single: Sequence[str]) -> Iterator[Figure]:
    """The area under the ROC curve: of two classes of the second, of more their mean, and of each.

    The mean leaves out classes without an Example, and has no interval. Nothing has an area where
    all Examples are of one class.
    """
    if areas is None:
        yield "auc", None, None, None
    elif len(areas) == 1:
        yield "auc", None, *intervals.known(*areas[0])
    else:
        yield "auc", None, float(np.nanmean(areas[:, 0])), None
        for name, (area, variance) in zip(single, areas, strict=False):
            yield "auc", name, *intervals.known(area, variance)
