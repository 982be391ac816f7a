"""What is measured of a segmenter."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from components import features as f
from components.metrics import confusion, intervals
from components.tasks import parts
from components.tasks.parts import Arrays, Figure
from serving import names

FEW = 3  # up to as many classes, those of the book, slices show the figures of single classes, too


class Part(parts.Evaluation):
    """See `parts.Evaluation`. Pixels of the ignored value count nowhere."""

    quality = "mean_iou"

    def model_spec(self) -> dict[str, Any]:
        """The true masks are computed by the model, at its size."""
        return {"preprocessing_function_names": [names.SIGNATURE_LABELS]}

    def metrics_specs(self) -> list[Any]:
        """One metric that counts for all figures."""
        from components.metrics.pixel_counts import PixelCounts
        from components.metrics.specs import metrics_spec

        return [
            metrics_spec(
                PixelCounts,
                classes=len(self.classes),
                ground_truth_key=names.OUTPUT_TRUE_MASK,
                prediction_key=names.OUTPUT_MASK,
            )
        ]

    def figures(self, arrays: Arrays, *, whole: bool) -> Iterator[Figure]:
        """Pixel accuracy, mean IoU, and the IoU of single classes; what never occurs has none."""
        counts, _ = self.confusion(arrays)
        of_accuracy, of_mean, of_classes = intervals.pixel_variances(counts, arrays["products"])
        yield "pixel_accuracy", None, *intervals.known(confusion.accuracy(counts), of_accuracy)
        yield "mean_iou", None, *intervals.known(confusion.mean_iou(counts), of_mean)
        if whole or len(self.classes) <= FEW:
            ious = confusion.class_ious(counts)
            for name, iou, variance in zip(self.classes.names, ious, of_classes, strict=True):
                yield "iou", name, *intervals.known(iou, variance)

    def confusion(self, arrays: Arrays) -> tuple[np.ndarray, list[dict] | None]:
        """Pixels at the model's size."""
        return confusion.from_triples(arrays["confusion"], len(self.classes)), None

    def measure(self, counts: np.ndarray) -> float:
        """The mean IoU."""
        return confusion.mean_iou(counts)

    def truth(self, example: Any, side: int | None) -> np.ndarray:
        """The mask at the model's size."""
        from components.datasets.examples import value_of
        from components.preprocessing import decode_mask

        assert side is not None
        return decode_mask(value_of(example, f.MASK), side).numpy()
