"""What is asked of a model; a section of the pipeline's configuration."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from components import features
from components.settings import PositiveInt, Section
from serving.errors import InputError, check_one_of

# Metrics that thresholds can be put on; for all of them higher is better.
THRESHOLD_METRICS = {
    "classification": ("accuracy", "auc", "precision", "recall"),
    "segmentation": ("mean_iou", "pixel_accuracy", "iou"),
    "points": ("accuracy", "auc", "precision", "recall"),
}
# Features with few enough values to slice an evaluation by.
SLICE_KEYS = {
    "cats_dogs": (features.LABEL_NAME, features.ORIENTATION),
    "pets": (features.ORIENTATION,),
    "blobs": (features.POINT_LABEL_NAME,),
}


class Threshold(Section):
    """What a metric must reach on the test split before a model may be pushed.

    Attributes:
        min: smallest allowed value.
        max_drop: how much worse than the model now served it may be (0: not at all).
    """

    min: float | None = None
    max_drop: Annotated[float, Field(ge=0.0)] | None = None


class EvaluatorConfig(Section):
    """How a model is measured.

    Attributes:
        thresholds: by metric name, on the whole test split.
        slice_thresholds: by metric name, on every slice that is large enough.
        slices: feature keys to slice by.
        min_slice_size: slices with fewer Examples are left out.
        confidence_intervals: 95% intervals beside each figure; see `evaluator.intervals`.
    """

    thresholds: dict[str, Threshold]
    slice_thresholds: dict[str, Threshold] = {}
    slices: list[str] = []
    min_slice_size: PositiveInt = 20
    confidence_intervals: bool = True


Thresholds = Mapping[str, Mapping[str, float | None]]  # metric -> `min` and `max_drop`


def check_thresholds(
    problem: str, thresholds: Thresholds, slice_thresholds: Thresholds, slices: Sequence[str]
) -> None:
    """Refuses what could never be checked: it would bless everything.

    Raises:
        InputError: a metric that the problem has not, a threshold without bounds, or thresholds on
            slices without a feature to slice by.
    """
    for section, entries in (("thresholds", thresholds), ("slice_thresholds", slice_thresholds)):
        for name, bounds in entries.items():
            key = f"evaluator.{section}.{name}"
            check_one_of(key, name, THRESHOLD_METRICS[problem], of=f"a metric of {problem}:")
            if bounds.get("min") is None and bounds.get("max_drop") is None:
                raise InputError(key, expected="min, max_drop or both", found="neither")
    if slice_thresholds and not slices:
        raise InputError(
            "evaluator.slice_thresholds",
            expected="evaluator.slices to name the feature keys to slice by",
            found="no slices",
        )
