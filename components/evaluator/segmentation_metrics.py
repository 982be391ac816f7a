"""IoU and pixel accuracy for TensorFlow Model Analysis, from pixels summed over the split.

A mean of per-picture IoUs would weigh a tiny pet like a large one and jump where a class is
missing; the Jaccard index is therefore taken of the summed confusion matrix (as in Pascal VOC).
TFMA's own metrics for segmentation know each class against the rest only, fail as soon as there
are two models, and have no interval that would be affordable. Named in a MetricConfig with
`module=`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.metrics.preprocessors import DecodeImagePreprocessor

from components.evaluator.confusion import class_ious, count_pairs
from components.evaluator.intervals import mean_iou

COUNTS = "pixel_counts"
PRODUCTS = "pixel_products"
_SUMS = "_pixel_sums"  # TFMA keeps what begins with "_" to itself


class _PixelMetric(metric_types.Metric):
    """A metric of the pixels summed by true and by predicted class.

    All of them share one computation of the sums, for each model.
    """

    def __init__(
        self, classes: int, ground_truth_key: str, prediction_key: str, name: str | None = None
    ):
        """Builds the metric.

        Args:
            classes: number of classes.
            ground_truth_key: of the true masks: integers [height, width], class ids.
            prediction_key: of the predicted masks, of the same size.
            name: of the metric.
        """
        super().__init__(
            metric_util.merge_per_key_computations(self._computations),
            classes=classes,
            ground_truth_key=ground_truth_key,
            prediction_key=prediction_key,
            name=name,
        )

    def _values(self, counts: np.ndarray) -> Mapping[int | None, Any]:
        """Value by class, or under None one for all."""
        raise NotImplementedError

    def _results(self, sums: np.ndarray) -> Mapping[int | None, Any]:
        """The same, of `_PixelCombiner`'s sums."""
        classes = math.isqrt(sums.shape[1])
        return self._values(sums[0].astype(np.int64).reshape(classes, classes))

    # TFMA passes on only what the signature names.
    def _computations(
        self,
        classes: int,
        ground_truth_key: str,
        prediction_key: str,
        name: str,
        model_name: str = "",
    ) -> metric_types.MetricComputations:
        sums = metric_types.MetricKey(name=_SUMS, model_name=model_name)
        key = metric_types.MetricKey(name=name, model_name=model_name)

        def result(metrics: Mapping[metric_types.MetricKey, Any]) -> dict[Any, Any]:
            return {
                key if class_id is None else _of_class(key, class_id): value
                for class_id, value in self._results(metrics[sums]).items()
            }

        masks = DecodeImagePreprocessor(
            ground_truth_key,
            prediction_key,
            decode_ground_truth=False,
            decode_prediction=False,
            name=f"{_SUMS}_{model_name}",
            model_name=model_name,
        )
        return [
            metric_types.MetricComputation([sums], [masks], _PixelCombiner(sums, classes)),
            metric_types.DerivedMetricComputation(keys=[key], result=result),
        ]


def _of_class(key: metric_types.MetricKey, class_id: int) -> metric_types.MetricKey:
    return key._replace(sub_key=metric_types.SubKey(class_id=class_id))


class _PixelCombiner(beam.CombineFn):
    """Sums over pictures: float64 [1 + n, n] for the n pairs of a true and a predicted class.

    First the pixels of each pair, then the products of a picture's pixels of two pairs. Counts are
    exact in float64 up to 2**53 pixels.
    """

    def __init__(self, key: metric_types.MetricKey, classes: int):
        self._key = key
        self._classes = classes

    def create_accumulator(self) -> np.ndarray:
        return np.zeros((1 + self._classes**2, self._classes**2))

    def add_input(
        self, accumulator: np.ndarray, element: metric_types.StandardMetricInputs
    ) -> np.ndarray:
        truth, predicted = element.get_labels(), element.get_predictions()
        counts = count_pairs(truth, predicted, self._classes).ravel().astype(np.float64)
        return accumulator + np.vstack([counts, np.outer(counts, counts)])

    def merge_accumulators(self, accumulators: Iterable[np.ndarray]) -> np.ndarray:
        return np.sum(list(accumulators), axis=0)

    def extract_output(self, accumulator: np.ndarray) -> dict[metric_types.MetricKey, Any]:
        return {self._key: accumulator}


class IoU(_PixelMetric):
    """Intersection over union of each class."""

    def _values(self, counts: np.ndarray) -> Mapping[int | None, float]:
        return dict(enumerate(class_ious(counts).tolist()))


class MeanIoU(_PixelMetric):
    """Mean of the classes' intersections over unions; classes that never occur are left out."""

    def _values(self, counts: np.ndarray) -> Mapping[int | None, float]:
        return {None: mean_iou(counts) if counts.any() else float("nan")}


class PixelAccuracy(_PixelMetric):
    """Share of pixels whose class is right."""

    def _values(self, counts: np.ndarray) -> Mapping[int | None, float]:
        return {None: float(np.trace(counts) / counts.sum()) if counts.any() else float("nan")}


class PixelCounts(_PixelMetric):
    """The sums themselves: an array int64 [classes, classes], rows are the true classes."""

    def _values(self, counts: np.ndarray) -> Mapping[int | None, np.ndarray]:
        return {None: counts}


class PixelProducts(_PixelMetric):
    """The products, for `intervals.half_width`: an array float64 [classes**2, classes**2]."""

    def _results(self, sums: np.ndarray) -> Mapping[int | None, np.ndarray]:
        return {None: sums[1:]}


for _metric in (IoU, MeanIoU, PixelAccuracy, PixelCounts, PixelProducts):
    metric_types.register_metric(_metric)
