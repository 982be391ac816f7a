"""The part of TFX's components that all steps of ours would write alike."""

from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.types import Artifact, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.settings import Section


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
