"""TFX's StatisticsGen, told by the task what to count."""

import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import component
from tfx.types import BaseChannel

from components.tasks import get_task


class StatisticsGen(component.StatisticsGen):
    """Statistics over the scalar features only: those of encoded images would say nothing.

    Args:
        examples: example_gen's output.
        task: name or import path of the task.
    """

    def __init__(self, examples: BaseChannel, *, task: str = "image_classification"):
        counted = get_task(task).data().counted_features
        super().__init__(
            examples=examples, stats_options=tfdv.StatsOptions(feature_allowlist=counted)
        )
