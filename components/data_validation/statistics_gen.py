"""TFX's StatisticsGen, told by the task what to count."""

import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import component
from tfx.types import BaseChannel

from components.tasks import get_task
from serving.classes import Classes


class StatisticsGen(component.StatisticsGen):
    """Statistics of what the schema checks: those of encoded images would say nothing.

    Args:
        examples: example_gen's output.
        task: name or import path of the task.
    """

    def __init__(self, examples: BaseChannel, *, task: str = "image_classification"):
        schema = get_task(task).data(Classes(("any", "other"))).schema()
        counted = [feature.name for feature in schema.feature]
        super().__init__(
            examples=examples, stats_options=tfdv.StatsOptions(feature_allowlist=counted)
        )
