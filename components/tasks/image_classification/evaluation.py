"""What is measured of a classifier."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from components import features as f
from components.metrics import class_figures as figures
from components.metrics.confusion import from_triples, roc_curve
from components.metrics.grids import GRIDS
from components.tasks import parts
from serving import names

# Up to as many classes, those of the book, slices show the figures of single classes, too.
FEW = 2
RANKED = 5  # with more classes, the five most probable ones mean something


class Part(parts.Evaluation):
    """See `parts.Evaluation`.

    Attributes:
        label, label_name: features.
        output: of the model, probabilities or a score.
        loss, grid: see `components.metrics.class_counts.ClassCounts`.
    """

    label: str = f.LABEL
    label_name: str = f.LABEL_NAME
    output: str = names.OUTPUT_PROBABILITIES
    loss: str = "cross_entropy"
    grid: str = "probabilities"
    losses = ("cross_entropy", "squared_error")

    def model_spec(self) -> dict[str, Any]:
        """The label, and the answer."""
        return {"label_key": self.label, "prediction_key": self.output}

    def metrics_specs(self) -> list[Any]:
        """One metric that counts for all figures."""
        from components.metrics.class_counts import ClassCounts
        from components.metrics.specs import metrics_spec

        count = len(self.classes)
        return [metrics_spec(ClassCounts, classes=count, loss=self.loss, grid=self.grid)]

    def figures(
        self, arrays: Mapping[str, np.ndarray], *, whole: bool
    ) -> Iterator[tuple[str, str | None, float | None, float | None]]:
        """Accuracy, loss, macro F1, AUC; precision, recall, F1, AUC of single classes."""
        count = len(self.classes)
        single = whole or count <= FEW
        found = [
            *figures.overall_figures(arrays, self.loss, ranked=count > RANKED),
            *figures.class_figures(arrays, count, single=single),
            *figures.auc_figures(arrays, single=single),
        ]
        for metric, class_id, value, half in found:
            yield metric, None if class_id is None else self.classes.names[class_id], value, half

    def confusion(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[dict] | None]:
        """Examples, and the curve of the second of two classes."""
        counts = from_triples(arrays["confusion"], len(self.classes))
        return counts, roc_curve(arrays["roc"], GRIDS[self.grid].roc) if "roc" in arrays else None

    def left_out(self, feature: str) -> tuple[str, ...]:
        """Where all are of one class: precision and recall are at most its accuracy again."""
        one_class = feature == self.label_name
        return ("auc", "precision", "recall", "f1", "macro_f1") if one_class else ()

    def decide(self, answer: np.ndarray) -> np.ndarray:
        """Class ids [batch] of probabilities [batch, classes]."""
        return answer.argmax(axis=-1)

    def truth(self, example: Any, side: int | None) -> np.ndarray:
        """The label."""
        del side
        return np.asarray(example.features.feature[self.label].int64_list.value[0])
