"""The steps that check Examples against the schema of their classes; anomalies stop the run."""

from components.steps import Step, lazily

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
