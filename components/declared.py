"""The part of TFX's components and executors that all steps of ours would write alike."""

from abc import ABC, abstractmethod
from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import Artifact, Channel, artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.settings import Section

Artifacts = dict[str, list[Artifact]]  # inputs or outputs by name, as TFX gives them
Given = dict[str, Artifact]  # the same where each is one
Properties = dict[str, Any]  # of the execution, by name


def spec(
    inputs: dict[str, type[Artifact]],
    outputs: dict[str, type[Artifact]],
    *,
    optional: dict[str, type[Artifact]] | None = None,
    parameters: tuple[str, ...] = ("task", "config"),
) -> type[ComponentSpec]:
    """TFX's specification of a step.

    Args:
        inputs, outputs: artifact type by name.
        optional: inputs that may be None.
        parameters: names of the execution properties, all texts.
    """
    channels = {key: ChannelParameter(type=kind) for key, kind in inputs.items()}
    for key, kind in (optional or {}).items():
        channels[key] = ChannelParameter(type=kind, optional=True)
    members = {
        "PARAMETERS": {key: ExecutionParameter(type=str) for key in parameters},
        "INPUTS": channels,
        "OUTPUTS": {key: ChannelParameter(type=kind) for key, kind in outputs.items()},
    }
    return type("Spec", (ComponentSpec,), members)


class DeclaredComponent(BaseComponent):
    """A component made of its `SPEC_CLASS`: outputs are made here, settings become JSON.

    Args:
        given: inputs and execution properties by name.
    """

    def __init__(self, **given: Any):
        for key, value in given.items():
            if isinstance(value, Section):
                given[key] = value.model_dump_json()
        for key, output in self.SPEC_CLASS.OUTPUTS.items():
            given[key] = Channel(type=output.type)
        super().__init__(self.SPEC_CLASS(**given))


class StepExecutor(BaseExecutor, ABC):
    """An executor whose inputs and outputs are one artifact each."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> None:
        """What TFX calls."""
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs, outputs = (
            {key: artifact_utils.get_single_instance(found) for key, found in some.items()}
            for some in (input_dict, output_dict)
        )
        self.run(inputs, outputs, exec_properties)

    @abstractmethod
    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """What the step does."""
