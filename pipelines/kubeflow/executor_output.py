"""The file by which a step tells the launcher what became of its outputs.

The launcher parses it strictly (protojson ExecutorOutput) and copies it into ML Metadata, which
holds no null; a `uri` in it takes the place of the artifact's own.
"""

import logging
import math
from pathlib import Path

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorOutput, RuntimeArtifact
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_utils
from tfx.orchestration.portable import outputs_utils
from tfx.types import Artifact

from pipelines.kubeflow.locations import Locations
from pipelines.kubeflow.restore import UI_NAMESPACE, Artifacts

_LOG = logging.getLogger("pawlens")

# The UI shows the object at the URI itself, so that is the page and not its folder.
_PAGES = ("system.HTML", "system.Markdown")


def write_output(path: Path, outputs: Artifacts, locations: Locations) -> None:
    """Writes the file, whole or not at all."""
    # What the UI draws has nothing but what is drawn.
    tagged = {k: v for k, v in outputs.items() if not v[0].TYPE_NAME.startswith(UI_NAMESPACE)}
    outputs_utils.tag_output_artifacts_with_version(tagged)
    message = ExecutorOutput()
    for key, [one] in outputs.items():
        message.artifacts[key].artifacts.append(_runtime_artifact(key, one, locations))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json_format.MessageToJson(message, sort_keys=True), encoding="utf-8")
    partial.replace(path)


def _runtime_artifact(key: str, artifact: Artifact, locations: Locations) -> RuntimeArtifact:
    storable = _storable(key, artifact)
    result: RuntimeArtifact = tfx_utils.to_runtime_artifact(storable, locations.names)
    result.uri = locations.to_remote(_page(artifact))
    metadata = locations.to_remote(json_format.MessageToDict(result.metadata))
    result.metadata.Clear()
    json_format.ParseDict(
        {name: value for name, value in metadata.items() if value is not None}, result.metadata
    )
    return result


def _page(artifact: Artifact) -> str:
    """The artifact's local path, or that of its page."""
    if artifact.TYPE_NAME in _PAGES and Path(artifact.uri).is_dir():
        files = [path for path in Path(artifact.uri).rglob("*") if path.is_file()]
        if len(files) == 1:
            return str(files[0])
        _LOG.warning("%s: the UI shows one file, here are %d", artifact.uri, len(files))
    return str(artifact.uri)


def _storable(key: str, artifact: Artifact) -> Artifact:
    """A copy without the properties that JSON or ML Metadata cannot hold."""
    message = metadata_store_pb2.Artifact()
    message.CopyFrom(artifact.mlmd_artifact)
    for properties in (message.properties, message.custom_properties):
        for name, value in list(properties.items()):
            if value.WhichOneof("value") == "bool_value":  # as the backend itself stores them
                properties[name].int_value = int(value.bool_value)
            elif not _is_storable(value):
                text = " ".join(str(value).split())[:80]
                _LOG.warning("output %s: %s is not stored: %s", key, name, text)
                del properties[name]
    result = type(artifact)()
    result.set_mlmd_artifact(message)
    return result


def _is_storable(value: metadata_store_pb2.Value) -> bool:
    kind = value.WhichOneof("value")
    if kind == "double_value":
        return math.isfinite(value.double_value)
    if kind == "struct_value":
        try:
            json_format.MessageToDict(value.struct_value)
        except ValueError:  # a number in it is not finite
            return False
    return kind in ("int_value", "string_value", "struct_value")
