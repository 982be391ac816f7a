"""TFMA's result as the plain figures that the report, the summary and a reader want."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2

from components import features as f
from components.evaluator import intervals, score_counts, segmentation_metrics
from components.evaluator.confusion import confusion_at, roc_curve
from components.evaluator.eval_config import BASELINE

OVERALL = "overall"
EXAMPLE_COUNT = "example_count"
COUNTS = (score_counts.COUNTS, segmentation_metrics.COUNTS)  # see `read_confusion`
NO_FIGURES = {EXAMPLE_COUNT, *COUNTS, segmentation_metrics.PRODUCTS}
ROUNDING = 1e-6  # TFMA computes accuracy in float32: 7 of 10 is a little less than 0.7
UNBOUNDED = ("cross_entropy", "squared_error")  # all other metrics lie in [0, 1]
# By label feature. Only the segmenter has none; it compares with a mask computed by the model.
CLASS_NAMES = {
    f.LABEL: f.CLASS_NAMES,
    f.POINT_LABEL: f.POINT_CLASS_NAMES,
    "": f.MASK_CLASS_NAMES,
}
# By feature of the slice. Where all Examples are of one class there is nothing to rank (TFMA's 0
# is no AUC), and of one class alone precision and recall are at most its accuracy again.
LEFT_OUT = {
    f.LABEL_NAME: ("auc", "precision", "recall"),
    f.POINT_LABEL_NAME: ("auc", "precision", "recall"),
}


def read_figures(uri: str, eval_config: config_pb2.EvalConfig) -> list[dict[str, Any]]:
    """All metrics of an evaluation, as `artifacts.FIGURES` describes them.

    Args:
        uri: folder of the ModelEvaluation.
        eval_config: the configuration evaluated with.
    """
    names = CLASS_NAMES[eval_config.model_specs[0].label_key]
    figures: list[dict[str, Any]] = []
    for record in tfma.load_metrics(uri):
        entries = record.metric_keys_and_values
        own = [e for e in entries if e.key.model_name != BASELINE and not e.key.is_diff]
        other = {_identity(e): e for e in entries if e.key.model_name == BASELINE}
        examples = next(e.value.double_value.value for e in own if e.key.name == EXAMPLE_COUNT)
        name = slice_name(record.slice_key)
        if name != OVERALL and examples < eval_config.options.min_slice_size.value:
            continue
        left_out = {*NO_FIGURES, *LEFT_OUT.get(name.partition("=")[0], ())}
        half_width = _half_widths(own, eval_config)
        for entry in own:
            if entry.key.name in left_out:
                continue
            baseline = other.get(_identity(entry))
            value = _number(entry.value)
            # With two classes the AUC of either is the AUC.
            class_id = _class_id(entry.key) if entry.key.name != "auc" else None
            lower, upper = _interval(entry.key.name, value, half_width(entry.key.name, class_id))
            figures.append(
                {
                    "metric": entry.key.name,
                    "class": None if class_id is None else names[class_id],
                    "slice": name,
                    "examples": int(examples),
                    "value": value,
                    "lower": lower,
                    "upper": upper,
                    "baseline": _number(baseline.value) if baseline else None,
                }
            )
    figures.sort(key=lambda x: (x["slice"] != OVERALL, x["slice"], x["metric"], x["class"] or ""))
    return figures


def read_confusion(uri: str, eval_config: config_pb2.EvalConfig) -> dict[str, Any]:
    """What was taken for what on the whole split: `confusion` and `roc` of `artifacts.FIGURES`.

    Args:
        uri: folder of the ModelEvaluation.
        eval_config: the configuration evaluated with.
    """
    names = CLASS_NAMES[eval_config.model_specs[0].label_key]
    counts, roc = np.zeros((len(names), len(names)), np.int64), None
    for record in tfma.load_metrics(uri):
        if slice_name(record.slice_key) == OVERALL:
            counts = next(iter(_arrays(record.metric_keys_and_values, COUNTS).values()), counts)
    thresholds = _configured(eval_config, score_counts.COUNTS).get("thresholds")
    if thresholds is not None:
        roc = roc_curve(counts, thresholds)
        counts = confusion_at(counts, thresholds, f.SCORE_THRESHOLD)
    return {"confusion": {"classes": list(names), "rows": counts.tolist()}, "roc": roc}


def read_checks(
    eval_config: config_pb2.EvalConfig, figures: list[dict[str, Any]], *, has_baseline: bool
) -> tuple[bool, list[dict[str, Any]]]:
    """Every threshold that applies, and whether it is kept.

    Args:
        eval_config: the configuration, with all thresholds.
        figures: see `read_figures`.
        has_baseline: whether there is a model to compare with; without one no `max_drop` applies.

    Returns:
        Whether the model is blessed, and the checks as `artifacts.FIGURES` describes them. A model
        is blessed if all that applies is kept; never where no threshold is configured at all.
    """
    thresholds = list(_thresholds(eval_config))
    checks = [
        _check(figure, kind, bound)
        for metric, kind, bound, by_slice in thresholds
        if kind == "min" or has_baseline
        for figure in figures
        if figure["metric"] == metric and (figure["slice"] != OVERALL) == by_slice
    ]
    return bool(thresholds) and all(check["ok"] for check in checks), checks


def to_measure(eval_config: config_pb2.EvalConfig) -> config_pb2.EvalConfig:
    """The part of a configuration that TFMA is asked for: to measure, not to judge or resample.

    Its verdict would block good models: a threshold on a slice fails where the slice is smaller
    than `min_slice_size` ("Metric not found"), a baseline without a number (the precision of a
    class that it never predicts) fails every candidate, and where nothing is served yet a
    configuration with `max_drop` alone fails the first. `read_checks` judges.
    """
    reduced = config_pb2.EvalConfig()
    reduced.CopyFrom(eval_config)
    reduced.options.ClearField("min_slice_size")
    reduced.options.ClearField("compute_confidence_intervals")
    for spec in reduced.metrics_specs:
        for metric in spec.metrics:
            metric.ClearField("per_slice_thresholds")
    return reduced


def slice_name(key: metrics_for_slice_pb2.SliceKey) -> str:
    """`overall` or `feature=value`, several joined by commas."""
    parts = []
    for part in key.single_slice_keys:
        value = getattr(part, part.WhichOneof("kind"))
        parts.append(f"{part.column}={value.decode() if isinstance(value, bytes) else value}")
    return ",".join(parts) or OVERALL


def _check(figure: dict[str, Any], kind: str, bound: float) -> dict[str, Any]:
    value, baseline = figure["value"], figure["baseline"]
    if kind == "min":
        least, need = bound, f"at least {bound:g} needed"
    elif baseline is None:
        least, need = None, "the baseline has no number to compare with"
    else:
        least, need = baseline - bound, f"at most {bound:g} below {baseline:.4f} needed"
    # No number is no pass, unless there is nothing to compare it with.
    ok = least is None or (value is not None and value >= least - ROUNDING)
    name = figure["metric"] + (f" of {figure['class']}" if figure["class"] else "")
    where = "" if figure["slice"] == OVERALL else f" on {figure['slice']}"
    shown = "no number" if value is None else f"{value:.4f}"
    return {
        "metric": figure["metric"],
        "class": figure["class"],
        "slice": figure["slice"],
        "kind": kind,
        "bound": bound,
        "value": value,
        "ok": ok,
        "message": f"{name}{where} is {shown}, {need}",
    }


def _thresholds(
    eval_config: config_pb2.EvalConfig,
) -> Iterator[tuple[str, str, float, bool]]:
    """(metric name, kind, bound, whether on slices)."""
    for spec in eval_config.metrics_specs:
        for metric in spec.metrics:
            name = json.loads(metric.config or "{}").get("name", "")
            for item in metric.per_slice_thresholds:
                threshold = item.threshold
                if threshold.HasField("value_threshold"):
                    bound = threshold.value_threshold.lower_bound.value
                    yield name, "min", bound, _by_slice(item)
                if threshold.HasField("change_threshold"):
                    bound = -threshold.change_threshold.absolute.value
                    yield name, "max_drop", bound, _by_slice(item)


def _configured(eval_config: config_pb2.EvalConfig, name: str) -> dict[str, Any]:
    """The configuration of the metric of a name."""
    found = (
        json.loads(metric.config or "{}")
        for spec in eval_config.metrics_specs
        for metric in spec.metrics
    )
    return next((config for config in found if config.get("name") == name), {})


def _by_slice(item: config_pb2.PerSliceMetricThreshold) -> bool:
    """Whether a threshold is on slices, not on the whole split."""
    return any(spec.feature_keys for spec in item.slicing_specs)


def _class_id(key: metrics_for_slice_pb2.MetricKey) -> int | None:
    return key.sub_key.class_id.value if key.HasField("sub_key") else None


def _identity(entry: Any) -> tuple[str, int | None, bool]:
    return entry.key.name, _class_id(entry.key), entry.key.is_diff


def _half_widths(
    entries: Iterable[Any], eval_config: config_pb2.EvalConfig
) -> Callable[[str, int | None], float | None]:
    """(metric, class) -> half of its interval on the slice that the entries are of."""
    arrays = _arrays(entries, NO_FIGURES)
    if not eval_config.options.compute_confidence_intervals.value or not arrays:
        return lambda metric, class_id: None
    if score_counts.COUNTS in arrays:
        sums = arrays[score_counts.COUNTS]
        products = np.diag(sums.ravel())  # every example is in one of the counts
        thresholds = _configured(eval_config, score_counts.COUNTS)["thresholds"]
        known = intervals.score_figures(thresholds, f.SCORE_THRESHOLD)
    else:
        sums = arrays[segmentation_metrics.COUNTS]
        products = arrays[segmentation_metrics.PRODUCTS]
        known = intervals.pixel_figures(len(sums))
    return lambda metric, class_id: intervals.half_width(known[metric, class_id], sums, products)


def _interval(
    metric: str, value: float | None, half: float | None
) -> tuple[float | None, float | None]:
    """The ends of an interval, none of them beyond what the metric can be."""
    if value is None or half is None:
        return None, None
    highest = math.inf if metric in UNBOUNDED else 1.0
    return max(value - half, 0.0), min(value + half, highest)


def _arrays(entries: Iterable[Any], names: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of those names, as numbers."""
    arrays = {}
    for entry in entries:
        if entry.key.name in names and entry.value.WhichOneof("type") == "array_value":
            array = entry.value.array_value
            values = array.int64_values or array.float64_values
            arrays[entry.key.name] = np.reshape(values, array.shape)
    return arrays


def _number(value: metrics_for_slice_pb2.MetricValue) -> float | None:
    """The number in a MetricValue; None if there is none or it is not finite."""
    kind = value.WhichOneof("type")
    if kind == "bounded_value":
        number = value.bounded_value.value.value
    elif kind == "double_value":
        number = value.double_value.value
    else:
        return None
    return number if math.isfinite(number) else None
