"""Declares the infra validation step."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.infra_validator import executor


class InfraValidatorSpec(ComponentSpec):
    """Inputs, outputs and properties of `InfraValidator`."""

    PARAMETERS = {
        "model_name": ExecutionParameter(type=str),
        "pictures": ExecutionParameter(type=int),
        "timeout_seconds": ExecutionParameter(type=float),
        "problem": ExecutionParameter(type=str),
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
        pictures: test pictures or points sent to each endpoint.
        timeout_seconds: time for the server to start and to answer, all together.
        problem: `classification`, `segmentation` or `points`: which outputs the model has to have.
    """

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        *,
        model_name: str,
        pictures: int,
        timeout_seconds: float,
        problem: str,
    ):
        super().__init__(
            spec=InfraValidatorSpec(
                model=model,
                examples=examples,
                model_name=model_name,
                pictures=pictures,
                timeout_seconds=timeout_seconds,
                problem=problem,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
