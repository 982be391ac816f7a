"""What TensorFlow Model Analysis is asked for, and its result as plain figures.

Those are what the report, the summary and a reader want.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2

from components.artifacts import OVERALL
from components.evaluator.settings import EvaluatorConfig
from components.metrics.confusion import top_confusions
from components.metrics.specs import load_metric, metrics_spec, unpack
from components.tasks.parts import Evaluation, Figure
from serving import names

CANDIDATE, BASELINE = "candidate", "baseline"
EXAMPLE_COUNT = "example_count"
SHOWN = 50  # classes at most whose confusions are a table


class Measured(NamedTuple):
    """Of one model: arrays by name, and single numbers by metric name (None: no finite one)."""

    arrays: dict[str, np.ndarray]
    numbers: dict[str, float | None]


class Slice(NamedTuple):
    """What was measured on a slice, `overall` or `feature=value`, of candidate and baseline."""

    name: str
    examples: int
    own: Measured
    other: Measured


def make_eval_config(
    part: Evaluation, config: EvaluatorConfig, *, has_baseline: bool
) -> config_pb2.EvalConfig:
    """TFMA's configuration, for one model or two: to measure, not to judge or to resample.

    Its verdict would block good models: a threshold on a slice fails where the slice is too small
    ("Metric not found"), a baseline without a number (the precision of a class that it never
    predicts) fails every candidate, and where nothing is served yet a limit on drops alone fails
    the first. Its own choice of an output is wrong without a word where a model gives several:
    every task names one.
    """
    models = [CANDIDATE, BASELINE] if has_baseline else [CANDIDATE]
    count = config_pb2.MetricConfig(class_name="ExampleCount")
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name=name,
                is_baseline=name == BASELINE,
                signature_name=names.SIGNATURE_FROM_EXAMPLES,
                **part.model_spec(),
            )
            for name in models
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[key]) for key in config.slices),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[count]),
            *part.metrics_specs(),
            *(
                metrics_spec(
                    load_metric(path, f"evaluator.metrics.{name}"),
                    name=name,
                    **config.metrics[name].args,
                )
                for name, path in config.metric_paths().items()
            ),
        ],
        options=config_pb2.Options(include_default_metrics={"value": False}),
    )


def read_slices(uri: str) -> list[Slice]:
    """All that TFMA wrote into the folder of a ModelEvaluation."""
    slices = []
    for record in tfma.load_metrics(uri):
        entries = [e for e in record.metric_keys_and_values if not e.key.is_diff]
        own = _measured(e for e in entries if e.key.model_name != BASELINE)
        other = _measured(e for e in entries if e.key.model_name == BASELINE)
        examples = int(own.numbers[EXAMPLE_COUNT] or 0)
        slices.append(Slice(slice_name(record.slice_key), examples, own, other))
    return slices


def figures_of(
    slices: list[Slice], part: Evaluation, config: EvaluatorConfig
) -> list[dict[str, Any]]:
    """All metrics of an evaluation, as `artifacts.FIGURES` describes them."""
    figures: list[dict[str, Any]] = []
    for one in slices:
        if one.name != OVERALL and one.examples < config.min_slice_size:
            continue
        whole = one.name == OVERALL
        left_out = part.left_out(one.name.partition("=")[0])
        others = {row[:2]: row[2] for row in _rows(one.other, part, config, whole=whole)}
        for metric, class_name, value, half in _rows(one.own, part, config, whole=whole):
            if metric in left_out:
                continue
            lower = upper = None
            if value is not None and half is not None and config.confidence_intervals:
                # No end lies beyond what the metric can be.
                most = math.inf if metric in part.losses else 1.0
                lower, upper = max(value - half, 0.0), min(value + half, most)
            figures.append(
                {
                    "metric": metric,
                    "class": class_name,
                    "slice": one.name,
                    "examples": one.examples,
                    "value": value,
                    "lower": lower,
                    "upper": upper,
                    "baseline": others.get((metric, class_name)),
                }
            )
    return in_order(figures)


def in_order(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The whole split first, then by slice, metric and class."""
    return sorted(
        figures, key=lambda x: (x["slice"] != OVERALL, x["slice"], x["metric"], x["class"] or "")
    )


def confusion_of(slices: list[Slice], part: Evaluation) -> dict[str, Any]:
    """`confusion`, `top_confusions` and `roc` of `artifacts.FIGURES`, of the whole split."""
    classes = list(part.classes.names)
    counts, roc = np.zeros((len(classes), len(classes)), np.int64), None
    for one in slices:
        if one.name == OVERALL and one.own.arrays:
            counts, roc = part.confusion(one.own.arrays)
    rows = counts.tolist() if len(classes) <= SHOWN else None
    return {
        "confusion": {"classes": classes, "rows": rows},
        "top_confusions": top_confusions(counts, classes),
        "roc": roc,
    }


def slice_name(key: metrics_for_slice_pb2.SliceKey) -> str:
    """`overall` or `feature=value`, several joined by commas."""
    parts = []
    for part in key.single_slice_keys:
        value = getattr(part, part.WhichOneof("kind"))
        parts.append(f"{part.column}={value.decode() if isinstance(value, bytes) else value}")
    return ",".join(parts) or OVERALL


def _rows(
    measured: Measured, part: Evaluation, config: EvaluatorConfig, *, whole: bool
) -> Iterator[Figure]:
    """The task's figures of one model on a slice, and those of own metrics."""
    arrays, numbers = measured
    if arrays:
        rows = list(part.figures(arrays, whole=whole))
        if config.slice_thresholds and not whole:
            # A threshold on what is measured of single classes alone must not pass unseen.
            given = {row[:2] for row in rows}
            rows += (
                row
                for row in part.figures(arrays, whole=True)
                if row[0] in config.slice_thresholds and row[:2] not in given
            )
        yield from rows
    for name in config.metrics:
        if name in numbers:
            yield name, None, numbers[name], None


def _measured(entries: Iterable[Any]) -> Measured:
    """What a combiner packed counts as its arrays."""
    arrays: dict[str, np.ndarray] = {}
    numbers: dict[str, float | None] = {}
    for entry in entries:
        if entry.value.WhichOneof("type") == "bytes_value":
            arrays.update(unpack(entry.value.bytes_value))
        else:
            numbers[entry.key.name] = _number(entry.value)
    return Measured(arrays, numbers)


def _number(value: metrics_for_slice_pb2.MetricValue) -> float | None:
    """The number in a MetricValue; None if there is none or it is not finite."""
    numbers = {"bounded_value": value.bounded_value.value, "double_value": value.double_value}
    found = numbers.get(value.WhichOneof("type"))
    return found.value if found is not None and math.isfinite(found.value) else None
