"""Declares the infra validation step."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.infra_validator import executor
from components.infra_validator.settings import InfraValidatorConfig


class InfraValidatorSpec(ComponentSpec):
    """Inputs, outputs and properties of `InfraValidator`."""

    PARAMETERS = {
        "model_name": ExecutionParameter(type=str),
        "task": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "examples": ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
    }


class InfraValidator(base_component.BaseComponent):
    """Serves the exported model by itself and compares its answers with the SavedModel's own.

    Takes the place of TFX's step of the same name, which needs a container engine or a cluster;
    its blessing is the same, so TFX's pusher reads it. The output `blessing` also holds
    `reason.txt` when the model is not blessed.

    Args:
        model: the exported model.
        examples: Examples with a `test` split.
        model_name: the name the model is served under.
        task: name or import path: which outputs the model has to have.
        config: how much is asked, and for how long.
    """

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        *,
        model_name: str,
        task: str = "image_classification",
        config: InfraValidatorConfig | None = None,
    ):
        super().__init__(
            spec=InfraValidatorSpec(
                model=model,
                examples=examples,
                model_name=model_name,
                task=task,
                config=(config or InfraValidatorConfig()).model_dump_json(),
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
