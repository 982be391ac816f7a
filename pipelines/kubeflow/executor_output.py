"""The file by which a step tells the launcher what became of its outputs.

The launcher parses it strictly (protojson ExecutorOutput) and copies it into ML Metadata, which
holds no null; a `uri` in it takes the place of the artifact's own.
"""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from kfp.pipeline_spec.pipeline_spec_pb2 import ArtifactList, ExecutorOutput, RuntimeArtifact
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_utils
from tfx.orchestration.portable import outputs_utils
from tfx.types import Artifact, artifact_utils

from pipelines.kubeflow.locations import Locations
from pipelines.kubeflow.restore import UI_NAMESPACE, Artifacts

_LOG = logging.getLogger("pawlens")

# The UI shows the object at the URI itself, so that is the page and not its folder.
_PAGES = ("system.HTML", "system.Markdown")


def write_output(
    path: Path, outputs: Artifacts, locations: Locations, names: Mapping[int, str]
) -> None:
    """Writes the file, whole or not at all.

    Args:
        path: where the launcher looks for it.
        outputs: the artifacts as the executor left them.
        locations: of all artifacts of the step.
        names: the backend's name of each artifact, by TFX's id.
    """
    # What the UI draws has nothing but what is drawn.
    tagged = {k: v for k, v in outputs.items() if not v[0].TYPE_NAME.startswith(UI_NAMESPACE)}
    outputs_utils.tag_output_artifacts_with_version(tagged)
    message = ExecutorOutput(
        artifacts={
            key: ArtifactList(
                artifacts=[
                    _runtime_artifact(
                        key, artifact_utils.get_single_instance(listed), locations, names
                    )
                ]
            )
            for key, listed in outputs.items()
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json_format.MessageToJson(message, sort_keys=True), encoding="utf-8")
    partial.replace(path)


def _runtime_artifact(
    key: str, artifact: Artifact, locations: Locations, names: Mapping[int, str]
) -> RuntimeArtifact:
    local = _page(artifact)
    result: RuntimeArtifact = tfx_utils.to_runtime_artifact(_storable(key, artifact), names)
    result.uri = locations.to_remote(local)
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
                _LOG.warning("output %s: %s is not stored: %s", key, name, _text(value))
                del properties[name]
    result = type(artifact)()
    result.set_mlmd_artifact(message)
    return result


def _is_storable(value: metadata_store_pb2.Value) -> bool:
    kind = value.WhichOneof("value")
    if kind == "double_value":
        return math.isfinite(value.double_value)
    if kind == "struct_value":
        return _is_finite(Value(struct_value=value.struct_value))
    return kind in ("int_value", "string_value")


def _is_finite(value: Value) -> bool:
    """Whether all numbers in it are."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return math.isfinite(value.number_value)
    if kind == "struct_value":
        fields: Struct = value.struct_value
        return all(map(_is_finite, fields.fields.values()))
    if kind == "list_value":
        return all(map(_is_finite, value.list_value.values))
    return True


def _text(value: Any) -> str:
    return " ".join(str(value).split())[:80]
