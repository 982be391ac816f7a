"""Finds the model now served, so that the evaluator can compare; needs no TFX resolver."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Model

from components.baseline.driver import Driver
from components.baseline.executor import Executor
from components.declared import DeclaredComponent, spec


class Baseline(DeclaredComponent):
    """Emits a copy of the served version to compare with, or a Model that only says NO_BASELINE.

    Args:
        model: the candidate, which is never its own baseline.
        model_base_path: folder or URL of the model's versions.
        model_config_file: the server's, which may call one of them `stable`; empty: none.
    """

    SPEC_CLASS = spec(
        {"model": Model}, {"baseline": Model}, parameters=("model_base_path", "model_config_file")
    )
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, model: BaseChannel, *, model_base_path: str, model_config_file: str = ""):
        super().__init__(
            model=model, model_base_path=model_base_path, model_config_file=model_config_file
        )
