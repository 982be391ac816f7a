"""Graded explanations as figures like all others, so that thresholds and slices work as usual."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging
from tfx.utils import io_utils

from components import features as f
from components.artifacts import EXPLANATIONS, OVERALL
from components.datasets.examples import read_examples, value_of
from components.evaluator.settings import EvaluatorConfig
from components.explanations import MASKED, PREFIX, WEIGHT_DEPENDENCE
from components.explanations.grading import Graded, choose, grade, has_mask
from components.explanations.sanity import PICTURES, cascade
from components.metrics import intervals
from components.tasks import Task
from serving.classes import Classes
from serving.errors import InputError

SHARES = ("mosaic", "pointing", "pointing_of_blob", "iou", "iou_of_blob")  # in [0, 1]
RIGHT = "right"  # slices by whether the candidate's answer is: `right=yes`, `right=no`
SIZE = "object_size"  # slices by the mask's share of the picture: `object_size=small`
SMALL, MEDIUM = 0.15, 0.4  # below the first, up to the second; `large` above


def explanation_figures(
    task: Task,
    config: EvaluatorConfig,
    classes: Classes,
    *,
    split: str,
    models: Sequence[str],
    evaluation: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Grades both models on the same pictures; writes `artifacts.EXPLANATIONS`.

    Random weights are tried on the candidate alone: how a method behaves is no matter of how much
    better a model became.

    Args:
        task, config, classes: of the evaluation.
        split: folder of the Examples.
        models: folders of SavedModels: the candidate's, maybe that of what it is compared with.
        evaluation: folder of the ModelEvaluation.

    Returns:
        Figures and "sanity" of `artifacts.FIGURES`; none of an empty split.

    Raises:
        InputError: a threshold needs masks and no Example has one; the model has no `grad_cam`.
    """
    examples = choose(read_examples(split), config.graded_images, task.key)
    _check_masks(config, examples)
    if not examples:
        return [], []
    own = grade(models[0], examples)
    own.values[WEIGHT_DEPENDENCE], sanity = _sanity(models[0], examples, own.predicted)
    other = _grade_baseline(models[1:], examples, own.rivals)
    keys = [value_of(one, task.key).decode() for one in examples]
    lines = [
        json.dumps(
            {
                "key": key,
                "label": classes.names[own.labels[at]],
                "predicted": classes.names[own.predicted[at]],
                "values": {k: float(v[at]) for k, v in own.values.items() if np.isfinite(v[at])},
            }
        )
        for at, key in enumerate(keys)
    ]
    io_utils.write_string_file(f"{evaluation}/{EXPLANATIONS}", "\n".join(lines) + "\n")
    figures = [
        figure
        for name, rows in _slices(examples, own, config).items()
        for measure in own.values
        if (figure := _figure(measure, name, rows, own=own, other=other, config=config))
    ]
    return figures, sanity


def _sanity(
    folder: str, examples: Sequence[Any], classes: np.ndarray
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """What is lost of the heatmaps where the weights are random; "sanity" of `artifacts.FIGURES`.

    Of pictures without heat, of all but the first ones and of a model without weights it is NaN.
    """
    pictures = [value_of(one, f.IMAGE) for one in examples[:PICTURES]]
    stages = cascade(folder, pictures, classes[:PICTURES])
    lost = np.full(len(examples), np.nan)
    for correlations in stages.values():  # the last one counts
        lost[: len(pictures)] = 1.0 - correlations
    return lost, [
        {"randomised": layers, "of": max(stages), "correlation": float(np.nanmean(correlations))}
        for layers, correlations in stages.items()
        if np.isfinite(correlations).any()
    ]


def _check_masks(config: EvaluatorConfig, examples: Sequence[Any]) -> None:
    for section in ("thresholds", "slice_thresholds"):
        needy = [name for name in getattr(config, section) if name in MASKED]
        if needy and not any(map(has_mask, examples)):
            raise InputError(
                f"evaluator.{section}.{needy[0]}",
                expected="Examples with masks of their objects",
                found=f"none of {len(examples)} test pictures has one",
            )


def _grade_baseline(
    folders: Sequence[str], examples: Sequence[Any], rivals: list[int]
) -> dict[str, np.ndarray]:
    """Values on the same pictures and mosaics; none where nothing is served that explains."""
    try:
        return {
            name: v for one in folders for name, v in grade(one, examples, rivals).values.items()
        }
    except InputError as error:
        logging.warning("the served model's explanations are not graded: %s", error)
        return {}


def _slices(
    examples: Sequence[Any], graded: Graded, config: EvaluatorConfig
) -> dict[str, np.ndarray]:
    """Which of the pictures are in a slice: bool [n] by its name."""
    right = np.where(graded.labels == graded.predicted, f"{RIGHT}=yes", f"{RIGHT}=no")
    size = np.select(
        [graded.areas == 0, graded.areas < SMALL, graded.areas <= MEDIUM],
        ["", f"{SIZE}=small", f"{SIZE}=medium"],
        f"{SIZE}=large",
    )
    columns = [right, size] + [
        np.array([f"{key}={one.decode() if isinstance(one, bytes) else one}" for one in values])
        for key in config.slices
        for values in [[value_of(one, key) for one in examples]]
    ]
    found = {OVERALL: np.ones(len(examples), bool)}
    return found | {
        name: column == name for column in columns for name in np.unique(column) if name
    }


def _figure(
    measure: str,
    slice_name: str,
    rows: np.ndarray,
    *,
    own: Graded,
    other: dict[str, np.ndarray],
    config: EvaluatorConfig,
) -> dict[str, Any] | None:
    """The mean over a slice; None where too few of its pictures have a value."""
    values = own.values[measure][rows]
    values = values[np.isfinite(values)]
    count = len(values)
    if count < (1 if slice_name == OVERALL else config.min_slice_size):
        return None
    value, lower, upper = float(values.mean()), None, None
    if config.confidence_intervals and count > 1:
        half = intervals.of_mean(values.sum(), (values**2).sum(), count) or 0.0
        lower, upper = value - half, value + half
        if measure in SHARES:
            lower, upper = max(lower, 0.0), min(upper, 1.0)
    compared = other[measure][rows] if measure in other else np.array([])
    compared = compared[np.isfinite(compared)]
    return {
        "metric": PREFIX + measure,
        "class": None,
        "slice": str(slice_name),
        "examples": count,
        "value": value,
        "lower": lower,
        "upper": upper,
        "baseline": float(compared.mean()) if len(compared) else None,
    }
