"""The step `SchemaGen`: the schema of the task, completed by the classes that ingest settled."""

from dataclasses import KW_ONLY
from typing import Annotated

from google.protobuf import text_format
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Schema
from tfx.utils import io_utils

from components.datasets.examples import read_classes
from components.declared import DeclaredComponent, Given, Properties, StepExecutor
from components.tasks import get_task

SCHEMA_FILE = "schema.pbtxt"  # as TFX's own steps read it


class Executor(StepExecutor):
    """See `SchemaGen`."""

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """Writes the schema."""
        classes = read_classes(inputs["examples"].uri)
        schema = get_task(properties["task"]).data(classes).schema()
        text = text_format.MessageToString(schema, as_utf8=True)
        io_utils.write_string_file(f"{outputs['schema'].uri}/{SCHEMA_FILE}", text)


class SchemaGen(DeclaredComponent, executor=Executor, outputs={"schema": Schema}):
    """Emits what Examples of a task must look like, by their classes, which alone are read."""

    examples: Annotated[BaseChannel, Examples]
    _: KW_ONLY
    task: str = "image_classification"
