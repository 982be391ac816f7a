"""TFX's artifacts and execution properties from what the backend sends, and back.

The backend forgets types: inputs come as `instanceSchema: ""`, as `system.Artifact` or with their
whole schema for a title. What the component declares is what holds.

Back goes a file by which a step tells the launcher what became of its outputs. The launcher parses
it strictly (protojson ExecutorOutput) and copies it into ML Metadata, which holds no null, or into
records of its server; a `uri` in it takes the place of the artifact's own.
"""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ArtifactList,
    ArtifactTypeSchema,
    ExecutorOutput,
    ParameterType,
    RuntimeArtifact,
)
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_utils
from tfx.orchestration.portable import outputs_utils
from tfx.types import Artifact
from tfx.utils import name_utils

from components.artifacts import ARTIFACT_TYPES
from pipelines.kubeflow.invocation import INVOCATION_FLAG, Invocation
from pipelines.kubeflow.locations import Locations
from serving.errors import FailedError, InputError
from serving.stores.files import write_whole

_LOG = logging.getLogger("pawlens")

# Types that Kubeflow Pipelines draws itself; some are metadata alone, without a file.
_UI_NAMESPACE = "system."
# Of these the UI shows the object at the URI itself, so that is the page and not its folder.
_PAGES = ("system.HTML", "system.Markdown")
_NUMBERS = "system.Metrics"  # a launcher without ML Metadata fails for anything else in one

Artifacts = dict[str, list[Artifact]]

_VALUE_KINDS = {
    ParameterType.NUMBER_INTEGER: "number_value",
    ParameterType.NUMBER_DOUBLE: "number_value",
    ParameterType.STRING: "string_value",
    ParameterType.BOOLEAN: "bool_value",
}


def restore_inputs(invocation: Invocation, locations: Locations) -> Artifacts:
    """Input artifacts of the types that the component declares, with local paths for URIs.

    Raises:
        InputError: an artifact has no type or no place that is known.
        FailedError: an artifact is not there.
    """
    given = invocation.request.inputs.artifacts
    types = {key: one.artifact_type for key, one in invocation.declared.artifacts.items()}
    restored = _restore("input", given, types, locations)
    for key, artifacts in restored.items():
        for artifact, runtime in zip(artifacts, given[key].artifacts, strict=True):
            if not artifact.TYPE_NAME.startswith(_UI_NAMESPACE) and not fileio.exists(artifact.uri):
                raise FailedError(
                    f"input {key}: there is nothing at {artifact.uri}, where {runtime.uri}"
                    " should have been downloaded to; the step before it may have written nothing"
                )
    return restored


def restore_outputs(invocation: Invocation, locations: Locations) -> Artifacts:
    """Output artifacts, with local paths for URIs; arguments as `restore_inputs`.

    Raises:
        InputError: an artifact has no type or no place that is known.
    """
    return _restore("output", invocation.request.outputs.artifacts, {}, locations)


def restore_parameters(invocation: Invocation) -> dict[str, Any]:
    """Execution properties: the parameters that the component declares, in their types.

    Raises:
        InputError: one is missing, or of another type.
    """
    given = invocation.request.inputs.parameter_values
    properties: dict[str, Any] = {}
    for name, declaration in invocation.declared.parameters.items():
        where = f"{INVOCATION_FLAG}: parameter {name}"
        kind = given[name].WhichOneof("kind") if name in given else None
        if kind in (None, "null_value"):
            if declaration.is_optional:
                continue
            raise InputError(where, expected="a value")
        value = getattr(given[name], kind)
        whole = declaration.parameter_type == ParameterType.NUMBER_INTEGER
        fits = kind == _VALUE_KINDS.get(declaration.parameter_type)
        if not fits or (whole and not value.is_integer()):
            expected = ParameterType.ParameterTypeEnum.Name(declaration.parameter_type)
            raise InputError(where, expected=expected, found=repr(value))
        properties[name] = int(value) if whole else value
    return properties


def _restore(
    what: str,
    given: Mapping[str, ArtifactList],
    types: Mapping[str, ArtifactTypeSchema],
    locations: Locations,
) -> Artifacts:
    """Artifacts by key, of the key's type in `types`, or else of their own."""
    known: dict[str, ArtifactList] = {}
    for key, listed in given.items():
        for artifact in listed.artifacts:
            message = known.setdefault(key, ArtifactList()).artifacts.add()
            message.CopyFrom(artifact)
            said = [*([types[key]] if key in types else []), artifact.type]
            # A class that TFX has no title for is found by its import path.
            message.type.schema_title = _class_path(f"{what} {key}", said)
            message.uri = locations.add(artifact.uri, artifact.custom_path)
            message.name = artifact.name or key
    restored: Artifacts = tfx_utils.parse_raw_artifact_dict(known, locations.names)
    return restored


def _class_path(what: str, types: list[ArtifactTypeSchema]) -> str:
    """The import path of the first schema's class that we know."""
    titles = list(filter(None, map(_title, types)))
    for title in titles:
        if title in ARTIFACT_TYPES:
            return str(name_utils.get_full_name(ARTIFACT_TYPES[title]))
        if title in compiler_utils.TITLE_TO_CLASS_PATH:
            return str(compiler_utils.TITLE_TO_CLASS_PATH[title])
    raise InputError(
        f"{INVOCATION_FLAG}: {what}",
        expected="an artifact of TFX's types or of components.artifacts",
        found=f"type '{', '.join(titles)}'",
    )


def _title(schema: ArtifactTypeSchema) -> str:
    text = schema.schema_title or schema.instance_schema
    tree = yaml.safe_load(text)
    return str(tree.get("title", "")) if isinstance(tree, dict) else text


def write_output(
    path: Path, outputs: Artifacts, locations: Locations, parameters: Mapping[str, str]
) -> None:
    """Writes what the launcher reads of a step's outputs, whole or not at all."""
    # What the UI draws has nothing but what is drawn.
    tagged = {k: v for k, v in outputs.items() if not v[0].TYPE_NAME.startswith(_UI_NAMESPACE)}
    outputs_utils.tag_output_artifacts_with_version(tagged)
    message = ExecutorOutput()
    for name, value in parameters.items():
        message.parameter_values[name].string_value = value
    for key, [one] in outputs.items():
        message.artifacts[key].artifacts.append(_runtime_artifact(key, one, locations))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json_format.MessageToJson(message, sort_keys=True).encode())


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
    """A copy without the properties that JSON or the backend cannot hold."""
    message = metadata_store_pb2.Artifact()
    message.CopyFrom(artifact.mlmd_artifact)
    for properties in (message.properties, message.custom_properties):
        for name, value in list(properties.items()):
            if value.WhichOneof("value") == "bool_value":  # as the backend itself stores them
                properties[name].int_value = int(value.bool_value)
            elif not _is_storable(value, artifact.TYPE_NAME):
                text = " ".join(str(value).split())[:80]
                _LOG.warning("output %s: %s is not stored: %s", key, name, text)
                del properties[name]
    result = type(artifact)()
    result.set_mlmd_artifact(message)
    return result


def _is_storable(value: metadata_store_pb2.Value, type_name: str) -> bool:
    kind = value.WhichOneof("value")
    if kind == "double_value":
        return math.isfinite(value.double_value)
    if kind == "int_value" or type_name == _NUMBERS:
        return kind == "int_value"
    if kind == "struct_value":
        try:
            json_format.MessageToDict(value.struct_value)
        except ValueError:  # a number in it is not finite
            return False
    return kind in ("string_value", "struct_value")
