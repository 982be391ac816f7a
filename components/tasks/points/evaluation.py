"""What is measured of a model of points."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from components import features as f
from components.metrics import class_figures as figures
from components.metrics.confusion import from_triples, roc_curve
from components.metrics.grids import SCORES
from components.tasks import parts
from serving import names

LOSS = "squared_error"


class Part(parts.Evaluation):
    """See `parts.Evaluation`. Precision and recall are those of the second class."""

    losses = (LOSS,)

    def model_spec(self) -> dict[str, Any]:
        """The label, and the score."""
        return {"label_key": f.POINT_LABEL, "prediction_key": names.OUTPUT_SCORE}

    def metrics_specs(self) -> list[Any]:
        """One metric that counts for all figures."""
        from components.metrics.class_counts import ClassCounts
        from components.metrics.specs import metrics_spec

        return [metrics_spec(ClassCounts, classes=len(self.classes), loss=LOSS, grid="scores")]

    def figures(
        self, arrays: Mapping[str, np.ndarray], *, whole: bool
    ) -> Iterator[tuple[str, str | None, float | None, float | None]]:
        """Accuracy, loss, AUC, precision and recall."""
        del whole
        if not arrays:
            return
        found = [
            *figures.overall_figures(arrays, LOSS),
            *figures.auc_figures(arrays, single=False),
            *figures.class_figures(arrays, len(self.classes)),
        ]
        for metric, class_id, value, half in found:
            if class_id in (None, 1) and metric != "f1":
                yield metric, None, value, half

    def confusion(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[dict] | None]:
        """Points, and the curve of the second class."""
        counts = from_triples(arrays["confusion"], len(self.classes))
        return counts, roc_curve(arrays["roc"], SCORES.roc)

    def left_out(self, feature: str) -> tuple[str, ...]:
        """Where all are of one class, there is nothing to rank and to tell apart."""
        return ("auc", "precision", "recall") if feature == f.POINT_LABEL_NAME else ()

    def decide(self, answer: np.ndarray) -> np.ndarray:
        """Class ids [batch] of scores [batch, 1]."""
        return (answer[..., 0] > f.SCORE_THRESHOLD).astype(np.int64)

    def truth(self, example: Any, side: int | None) -> np.ndarray:
        """The label."""
        del side
        return np.asarray(example.features.feature[f.POINT_LABEL].int64_list.value[0])
