"""Finds the model now served, so that the evaluator can compare; needs no TFX resolver."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, standard_artifacts
from tfx.types.channel_utils import as_channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.baseline.driver import Driver
from components.baseline.executor import Executor


class BaselineSpec(ComponentSpec):
    """Candidate in, baseline out."""

    PARAMETERS = {
        "model_base_path": ExecutionParameter(type=str),
        "model_config_file": ExecutionParameter(type=str),
    }
    INPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}
    OUTPUTS = {"baseline": ChannelParameter(type=standard_artifacts.Model)}


class Baseline(base_component.BaseComponent):
    """Emits a copy of the served version to compare with, or a Model that only says NO_BASELINE.

    Args:
        model: the candidate, which is never its own baseline.
        model_base_path: folder or URL of the model's versions.
        model_config_file: the server's, which may call one of them `stable`; empty: none.
    """

    SPEC_CLASS = BaselineSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, model: BaseChannel, *, model_base_path: str, model_config_file: str = ""):
        super().__init__(
            BaselineSpec(
                model=model,
                model_base_path=model_base_path,
                model_config_file=model_config_file,
                baseline=as_channel([standard_artifacts.Model()]),
            )
        )
