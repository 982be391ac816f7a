"""What is measured of a model of points: what is of a classifier of two classes, of one score."""

from collections.abc import Iterator

import numpy as np

from components import features as f
from components.tasks.image_classification import evaluation
from components.tasks.parts import Arrays, Figure
from serving import names


class Part(evaluation.Part):
    """See `parts.Evaluation`. Precision and recall are those of the second class."""

    label = f.POINT_LABEL
    label_name = f.POINT_LABEL_NAME
    output = names.OUTPUT_SCORE
    loss = "squared_error"

    def figures(self, arrays: Arrays, *, whole: bool) -> Iterator[Figure]:
        """Accuracy, loss, AUC, precision and recall."""
        for metric, class_name, value, half in super().figures(arrays, whole=whole):
            if class_name in (None, self.classes.names[1]) and not metric.endswith("f1"):
                yield metric, None, value, half

    def decide(self, answer: np.ndarray) -> np.ndarray:
        """Class ids [batch] of scores [batch, 1]."""
        return (answer[..., 0] > f.SCORE_THRESHOLD).astype(np.int64)
