"""The step `SchemaGen`: the schema that comes with the code, as an artifact."""

from typing import Any

from tfx.components.schema_gen.import_schema_gen import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import Artifact, standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.data_validation.schema import schema_path

LAYOUT_KEY = "layout"


class Executor(executor.Executor):
    """TFX's, told of the layout: the path of its schema is another one on every machine."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Copies the schema."""
        path = schema_path(exec_properties[LAYOUT_KEY])
        super().Do(input_dict, output_dict, {specs.SCHEMA_FILE_KEY: str(path)})


class SchemaGenSpec(ComponentSpec):
    """A layout in, its schema out."""

    PARAMETERS = {LAYOUT_KEY: ExecutionParameter(type=str)}
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {specs.SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema)}


class SchemaGen(base_component.BaseComponent):
    """Emits the schema of a layout's Examples.

    Args:
        layout: a layout of `components.datasets`.
    """

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, layout: str):
        super().__init__(
            SchemaGenSpec(layout=layout, schema=Channel(type=standard_artifacts.Schema))
        )
