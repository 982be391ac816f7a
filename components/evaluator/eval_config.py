"""What TensorFlow Model Analysis computes and which thresholds decide about a blessing.

The thresholds travel in TFMA's own configuration, but `figures.read_checks` judges by them.

Four of TFMA's traps are dealt with here, once: without `prediction_key` it picks an output by
itself and precision and recall come out wrong without a word; a metric's plain `threshold` holds
for every slice; IoU is not among its metrics (see `segmentation_metrics`); and its AUC takes
every score for a probability (see `SCORE_GRID`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components import features as f
from components.evaluator import score_counts, segmentation_metrics
from components.evaluator.settings import Thresholds, check_thresholds
from serving import names

CANDIDATE = "candidate"
BASELINE = "baseline"

# Thresholds for the AUC of scores that are no probabilities: by itself TFMA puts all of its own
# between 0 and 1, and scores beyond them count as equal. These cover twice the distance of the
# targets 0 and 1 to both sides; the ends are below and above every score.
SCORE_GRID = (-1e30, *(round(-2 + number * 0.01, 2) for number in range(501)), 1e30)

# Thresholds of the ROC curve: of probabilities, closer to each other the surer a model is (a
# network's lie mostly near 0 and 1); of scores, every fifth of the above. Both hold the decision.
ROC_PROBABILITIES = (
    0.0,
    *(round(1 / (1 + math.exp(-0.2 * number)), 6) for number in range(-49, 50)),
    1.0,
)
ROC_SCORES = (SCORE_GRID[0], *SCORE_GRID[1:-1:5], SCORE_GRID[-1])


def make_eval_config(
    problem: str,
    *,
    thresholds: Thresholds,
    slice_thresholds: Thresholds,
    slices: Sequence[str],
    min_slice_size: int,
    confidence_intervals: bool,
) -> config_pb2.EvalConfig:
    """Builds the configuration for both models; TFX drops the baseline where there is none.

    Args:
        problem: `classification`, `segmentation` or `points`.
        thresholds: metric name -> `min` and `max_drop`, on the whole split.
        slice_thresholds: the same, on every slice of `slices`.
        slices: feature keys.
        min_slice_size: smaller slices are neither shown nor checked.
        confidence_intervals: whether `figures.read_figures` gives them; TFMA is not asked for any.

    Raises:
        InputError: a threshold that could never be checked.
    """
    check_thresholds(problem, thresholds, slice_thresholds, slices)

    def metric(name: str, class_name: str, module: str = "", **config: Any) -> Any:
        entry = config_pb2.MetricConfig(
            class_name=class_name, module=module, config=json.dumps({"name": name, **config})
        )
        # Not `entry.threshold`: TFMA applies that to every slice, not to the whole split alone.
        if name in thresholds:
            entry.per_slice_thresholds.add(
                slicing_specs=[config_pb2.SlicingSpec()], threshold=_threshold(thresholds[name])
            )
        if name in slice_thresholds and slices:
            entry.per_slice_thresholds.add(
                slicing_specs=[config_pb2.SlicingSpec(feature_keys=[key]) for key in slices],
                threshold=_threshold(slice_thresholds[name]),
            )
        return entry

    build = {
        "classification": _classification_specs,
        "segmentation": _segmentation_specs,
        "points": _point_specs,
    }
    metrics_specs = [
        config_pb2.MetricsSpec(metrics=[config_pb2.MetricConfig(class_name="ExampleCount")]),
        *build[problem](metric),
    ]
    return config_pb2.EvalConfig(
        model_specs=[_model_spec(problem, CANDIDATE), _model_spec(problem, BASELINE)],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[key]) for key in slices),
        ],
        metrics_specs=metrics_specs,
        options=config_pb2.Options(
            include_default_metrics={"value": False},
            compute_confidence_intervals={"value": confidence_intervals},
            min_slice_size={"value": min_slice_size},
        ),
    )


def _model_spec(problem: str, name: str) -> Any:
    spec = config_pb2.ModelSpec(
        name=name, is_baseline=name == BASELINE, signature_name=names.SIGNATURE_FROM_EXAMPLES
    )
    if problem == "classification":
        spec.label_key = f.LABEL
        spec.prediction_key = names.OUTPUT_PROBABILITIES
    elif problem == "points":
        spec.label_key = f.POINT_LABEL
        spec.prediction_key = names.OUTPUT_SCORE
    else:
        spec.preprocessing_function_names.append(names.SIGNATURE_LABELS)
    return spec


def _classification_specs(metric: Any) -> list[Any]:
    def one_against_the_rest(class_ids: Sequence[int]) -> Any:
        return config_pb2.BinarizationOptions(class_ids={"values": class_ids})

    both = range(len(f.CLASS_NAMES))
    return [
        config_pb2.MetricsSpec(
            metrics=[
                metric("accuracy", "SparseCategoricalAccuracy"),
                metric("cross_entropy", "SparseCategoricalCrossentropy"),
            ]
        ),
        config_pb2.MetricsSpec(
            metrics=[metric("precision", "Precision"), metric("recall", "Recall")],
            binarize=one_against_the_rest(both),
        ),
        # With two classes both AUCs are the same number: one is enough.
        config_pb2.MetricsSpec(
            metrics=[metric("auc", "AUC", num_thresholds=10_000)],
            binarize=one_against_the_rest([1]),
        ),
        _score_counts(metric, ROC_PROBABILITIES),
    ]


def _point_specs(metric: Any) -> list[Any]:
    """Of one score: precision and recall are those of class 1."""
    decided_at = f.SCORE_THRESHOLD
    return [
        config_pb2.MetricsSpec(
            metrics=[
                metric("accuracy", "BinaryAccuracy", threshold=decided_at),
                metric("precision", "Precision", thresholds=decided_at),
                metric("recall", "Recall", thresholds=decided_at),
                metric("squared_error", "MeanSquaredError"),
                metric("auc", "AUC", thresholds=SCORE_GRID),
            ]
        ),
        _score_counts(metric, ROC_SCORES),
    ]


def _score_counts(metric: Any, thresholds: Sequence[float]) -> Any:
    counts = metric(
        score_counts.COUNTS, "ScoreCounts", score_counts.__name__, thresholds=thresholds
    )
    return config_pb2.MetricsSpec(model_names=[CANDIDATE], metrics=[counts])


def _segmentation_specs(metric: Any) -> list[Any]:
    arguments = {
        "classes": len(f.MASK_CLASS_NAMES),
        "ground_truth_key": names.OUTPUT_TRUE_MASK,
        "prediction_key": names.OUTPUT_MASK,
    }

    def of_pixels(name: str, class_name: str) -> Any:
        return metric(name, class_name, segmentation_metrics.__name__, **arguments)

    metrics = {"mean_iou": "MeanIoU", "pixel_accuracy": "PixelAccuracy", "iou": "IoU"}
    sums = {
        segmentation_metrics.COUNTS: "PixelCounts",
        segmentation_metrics.PRODUCTS: "PixelProducts",
    }
    return [
        config_pb2.MetricsSpec(metrics=[of_pixels(*item) for item in metrics.items()]),
        config_pb2.MetricsSpec(
            model_names=[CANDIDATE], metrics=[of_pixels(*item) for item in sums.items()]
        ),
    ]


def _threshold(bounds: Mapping[str, float | None]) -> Any:
    threshold = config_pb2.MetricThreshold()
    if bounds.get("min") is not None:
        threshold.value_threshold.lower_bound.value = bounds["min"]
    if bounds.get("max_drop") is not None:
        threshold.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
        threshold.change_threshold.absolute.value = -(bounds["max_drop"] or 0.0)
    return threshold
