"""Pixels counted by TensorFlow Model Analysis, summed over the split.

A mean of per-image IoUs would weigh a tiny pet like a large one and jump where a class is missing;
the Jaccard index is therefore taken of the summed confusion matrix (as in Pascal VOC). TFMA's own
metrics for segmentation know each class against the rest only and have no interval that would be
affordable. Named in a MetricConfig with `module=`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.metrics.preprocessors import DecodeImagePreprocessor

from components.metrics.confusion import count_pairs, to_triples
from components.metrics.specs import pack

NAME = "pixel_counts"

Sums = tuple[np.ndarray, np.ndarray]


class PixelCounts(metric_types.Metric):
    """Counts over the images of a slice; its value is what `specs.pack` makes of these arrays.

    `confusion`: int64 [k, 3] of pixels; see `confusion.to_triples`.
    `products`: float64 [3 classes, 3 classes]; see `intervals.pixel_variances`.
    """

    def __init__(self, classes: int, ground_truth_key: str, prediction_key: str, name: str = NAME):
        """Builds the metric; the keys are those of masks, integers [height, width].

        True ids that are no class count nowhere; predicted ones all are.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            classes=classes,
            ground_truth_key=ground_truth_key,
            prediction_key=prediction_key,
            name=name,
        )


# TFMA passes on only what the signature names.
def _computations(
    classes: int, ground_truth_key: str, prediction_key: str, name: str = NAME, model_name: str = ""
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name)
    masks = DecodeImagePreprocessor(
        ground_truth_key,
        prediction_key,
        decode_ground_truth=False,
        decode_prediction=False,
        name=f"_{name}_{model_name}",
        model_name=model_name,
    )
    return [metric_types.MetricComputation([key], [masks], _Combiner(key, classes))]


@dataclass(eq=False)
class _Combiner(beam.CombineFn):
    """Sums over images: pixels int64 [n, n], products float64 [3n, 3n]."""

    key: metric_types.MetricKey
    classes: int

    def create_accumulator(self) -> Sums:
        count = self.classes
        return np.zeros((count, count), np.int64), np.zeros((3 * count, 3 * count))

    def add_input(self, accumulator: Sums, element: metric_types.StandardMetricInputs) -> Sums:
        confusion, products = accumulator
        found = count_pairs(element.get_labels(), element.get_predictions(), self.classes)
        sums = np.concatenate([np.diag(found), found.sum(axis=1), found.sum(axis=0)])
        present = np.flatnonzero(sums)  # an image shows few of many classes
        some = sums[present].astype(np.float64)
        confusion += found
        products[np.ix_(present, present)] += np.outer(some, some)
        return confusion, products

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:
        confusions, products = zip(*accumulators, strict=True)
        return np.sum(confusions, axis=0), np.sum(products, axis=0)

    def extract_output(self, accumulator: Sums) -> dict[metric_types.MetricKey, bytes]:
        confusion, products = accumulator
        value = pack({"confusion": to_triples(confusion), "products": products})
        return {self.key: value}


metric_types.register_metric(PixelCounts)
