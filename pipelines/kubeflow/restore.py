"""TFX's artifacts and execution properties, from what the backend sends.

The backend forgets types: inputs come as `instanceSchema: ""` or as `system.Artifact`. What the
component declares is what holds.
"""

from typing import Any

import yaml
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ArtifactList,
    ArtifactTypeSchema,
    ParameterType,
    RuntimeArtifact,
)
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_utils
from tfx.types import Artifact
from tfx.utils import name_utils

from components.artifacts import ARTIFACT_TYPES
from pipelines.kubeflow.invocation import INVOCATION_FLAG, Invocation
from pipelines.kubeflow.locations import Locations
from serving.errors import FailedError, InputError

# Types that Kubeflow Pipelines draws itself; some are metadata alone, without a file.
UI_NAMESPACE = "system."

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
    declared = invocation.declared.artifacts
    restored = {}
    for key, listed in invocation.request.inputs.artifacts.items():
        if not listed.artifacts:
            continue
        types = [declared[key].artifact_type] if key in declared else []
        restored[key] = _restore(f"input {key}", listed, types, locations)
        for artifact, runtime in zip(restored[key], listed.artifacts, strict=True):
            if not artifact.TYPE_NAME.startswith(UI_NAMESPACE) and not fileio.exists(artifact.uri):
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
    return {
        key: _restore(f"output {key}", listed, [], locations)
        for key, listed in invocation.request.outputs.artifacts.items()
    }


def restore_parameters(invocation: Invocation) -> dict[str, Any]:
    """Execution properties: the parameters that the component declares, in their types.

    Raises:
        InputError: one is missing, or of another type.
    """
    given = invocation.request.inputs.parameter_values
    properties: dict[str, Any] = {}
    for name, declaration in invocation.declared.parameters.items():
        kind = given[name].WhichOneof("kind") if name in given else None
        if kind in (None, "null_value"):
            if declaration.is_optional:
                continue
            raise InputError(f"{INVOCATION_FLAG}: parameter {name}", expected="a value")
        value = getattr(given[name], kind)
        whole = declaration.parameter_type == ParameterType.NUMBER_INTEGER
        fits = kind == _VALUE_KINDS.get(declaration.parameter_type)
        if not fits or (whole and not value.is_integer()):
            expected = ParameterType.ParameterTypeEnum.Name(declaration.parameter_type)
            raise InputError(
                f"{INVOCATION_FLAG}: parameter {name}", expected=expected, found=repr(value)
            )
        properties[name] = int(value) if whole else value
    return properties


def _restore(
    what: str, listed: ArtifactList, types: list[ArtifactTypeSchema], locations: Locations
) -> list[Artifact]:
    """Artifacts of one key, by the first of `types`, or else by their own."""
    messages = []
    for given in listed.artifacts:
        message = RuntimeArtifact()
        message.CopyFrom(given)
        # A class that TFX has no title for is found by its import path.
        cls = _artifact_class(what, [*types, given.type])
        message.type.schema_title = name_utils.get_full_name(cls)
        message.uri = locations.add(given.uri, given.custom_path)
        message.name = given.name or what.rpartition(" ")[2]
        messages.append(message)
    restored: Artifacts = tfx_utils.parse_raw_artifact_dict(
        {what: ArtifactList(artifacts=messages)}, locations.names
    )
    return restored[what]


def _artifact_class(what: str, types: list[ArtifactTypeSchema]) -> type[Artifact]:
    """The class of the first schema that names one we know."""
    titles = list(filter(None, map(_title, types)))
    for title in titles:
        if title in ARTIFACT_TYPES:
            return ARTIFACT_TYPES[title]
        if title in compiler_utils.TITLE_TO_CLASS_PATH:
            cls: type[Artifact] = name_utils.resolve_full_name(
                compiler_utils.TITLE_TO_CLASS_PATH[title]
            )
            return cls
    raise InputError(
        f"{INVOCATION_FLAG}: {what}",
        expected="an artifact of TFX's types or of components.artifacts",
        found=f"type '{', '.join(titles)}'",
    )


def _title(schema: ArtifactTypeSchema) -> str:
    if schema.WhichOneof("kind") == "schema_title":
        return schema.schema_title
    tree = yaml.safe_load(schema.instance_schema)
    return str(tree.get("title", "")) if isinstance(tree, dict) else ""
