"""The gate behind ExampleValidator, which only marks its artifact and lets the run go on."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import ExampleAnomalies

from components.artifacts import Validation
from components.data_validation.executor import Executor
from components.declared import DeclaredComponent, spec


class DataValidation(DeclaredComponent):
    """Fails the run if ExampleValidator found anomalies.

    Args:
        anomalies: ExampleValidator's output.
    """

    SPEC_CLASS = spec({"anomalies": ExampleAnomalies}, {"validation": Validation}, parameters=())
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, anomalies: BaseChannel):
        super().__init__(anomalies=anomalies)
