"""The step `SchemaGen`: the schema of the task, completed by the classes that ingest settled."""

from google.protobuf import text_format
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Schema
from tfx.utils import io_utils

from components.datasets.examples import read_classes
from components.declared import DeclaredComponent, Given, Properties, StepExecutor, spec
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


class SchemaGen(DeclaredComponent):
    """Emits what Examples of a task must look like, by their classes, which alone are read."""

    SPEC_CLASS = spec({"examples": Examples}, {"schema": Schema}, parameters=("task",))
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, examples: BaseChannel, *, task: str = "image_classification"):
        super().__init__(examples=examples, task=task)
