"""Scores of two classes counted by TensorFlow Model Analysis: for confusion matrix, ROC curve and
intervals.

TFMA's own confusion matrices at given thresholds cost a loop over all of them for every example;
this costs one comparison of arrays. Named in a MetricConfig with `module=`.
"""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

COUNTS = "score_counts"


class ScoreCounts(metric_types.Metric):
    """Examples by true class and by the thresholds that their score is above.

    Its value is an array int64 [2, thresholds + 1]: at [c, n] how many examples of class c have a
    score above exactly the first n thresholds. The score is that of class 1.
    """

    def __init__(self, thresholds: list[float], name: str = COUNTS):
        """Builds the metric.

        Args:
            thresholds: ascending.
            name: of the metric.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations), thresholds=thresholds, name=name
        )


def _computations(
    thresholds: list[float],
    name: str = COUNTS,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name, output_name=output_name)
    combiner = _ScoreCombiner(key, eval_config, np.asarray(thresholds, np.float64))
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class _ScoreCombiner(beam.CombineFn):
    def __init__(
        self,
        key: metric_types.MetricKey,
        eval_config: config_pb2.EvalConfig | None,
        thresholds: np.ndarray,
    ):
        self._key = key
        self._eval_config = eval_config
        self._thresholds = thresholds

    def create_accumulator(self) -> np.ndarray:
        return np.zeros((2, len(self._thresholds) + 1), np.int64)

    def add_input(
        self, accumulator: np.ndarray, element: metric_types.StandardMetricInputs
    ) -> np.ndarray:
        label, prediction, _ = next(
            metric_util.to_label_prediction_example_weight(
                element,
                eval_config=self._eval_config,
                model_name=self._key.model_name,
                output_name=self._key.output_name,
                flatten=False,
            )
        )
        # One score, or one of each class: class 1 comes last.
        score = prediction.ravel()[-1]
        # No number is above nothing, as in TFMA's own matrices.
        accumulator[int(label.item()), np.count_nonzero(self._thresholds < score)] += 1
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[np.ndarray]) -> np.ndarray:
        return np.sum(list(accumulators), axis=0)

    def extract_output(self, accumulator: np.ndarray) -> dict[metric_types.MetricKey, Any]:
        return {self._key: accumulator}


metric_types.register_metric(ScoreCounts)
