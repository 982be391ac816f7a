"""The step `SchemaGen`: the schema of the task, completed by the classes that ingest settled."""

from typing import Any

from google.protobuf import text_format
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.types.standard_artifacts import Examples, Schema

from components.datasets.examples import read_classes
from components.declared import DeclaredComponent, spec
from components.tasks import get_task

SCHEMA_FILE = "schema.pbtxt"  # as TFX's own steps read it


class Executor(base_executor.BaseExecutor):
    """See `SchemaGen`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the schema."""
        classes = read_classes(artifact_utils.get_single_uri(input_dict["examples"]))
        schema = get_task(exec_properties["task"]).data(classes).schema()
        uri = artifact_utils.get_single_uri(output_dict["schema"])
        fileio.makedirs(uri)
        with fileio.open(f"{uri}/{SCHEMA_FILE}", "w") as file:
            file.write(text_format.MessageToString(schema, as_utf8=True))


class SchemaGen(DeclaredComponent):
    """Emits what Examples of a task and its classes must look like.

    Args:
        examples: example_gen's output; only its classes are read.
        task: name or import path of the task.
    """

    SPEC_CLASS = spec({"examples": Examples}, {"schema": Schema}, parameters=("task",))
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, examples: BaseChannel, *, task: str = "image_classification"):
        super().__init__(examples=examples, task=task)
