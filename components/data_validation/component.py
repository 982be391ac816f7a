"""What is counted of Examples, and the gate behind ExampleValidator, which only marks its artifact
and lets the run go on."""

from typing import Annotated

import tensorflow_data_validation as tfdv
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen import component
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import ExampleAnomalies

from components.artifacts import Validation
from components.data_validation.executor import Executor
from components.declared import DeclaredComponent
from components.tasks import get_task
from serving.classes import Classes

__all__ = ["DataValidation", "ExampleValidator", "StatisticsGen"]


class StatisticsGen(component.StatisticsGen):
    """Statistics of what the task's schema checks: those of encoded images would say nothing."""

    def __init__(self, examples: BaseChannel, *, task: str = "image_classification"):
        schema = get_task(task).data(Classes(("any", "other"))).schema()
        counted = [feature.name for feature in schema.feature]
        super().__init__(
            examples=examples, stats_options=tfdv.StatsOptions(feature_allowlist=counted)
        )


class DataValidation(DeclaredComponent, executor=Executor, outputs={"validation": Validation}):
    """Fails the run if ExampleValidator found anomalies."""

    anomalies: Annotated[BaseChannel, ExampleAnomalies]
