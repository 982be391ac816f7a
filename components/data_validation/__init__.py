"""The steps that check Examples against the schema of their classes; anomalies stop the run."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.data_validation.component import (
        DataValidation,
        ExampleValidator,
        StatisticsGen,
    )
    from components.data_validation.schema_gen import SchemaGen
else:
    __getattr__ = lazily(
        __name__,
        StatisticsGen="component",
        SchemaGen="schema_gen",
        ExampleValidator="component",
        DataValidation="component",
    )

STEPS = (
    Step(name="statistics_gen", beam=True),
    Step(name="schema_gen"),
    Step(name="example_validator"),
    Step(name="data_validation"),
)

__all__ = ["STEPS", "DataValidation", "ExampleValidator", "SchemaGen", "StatisticsGen"]
