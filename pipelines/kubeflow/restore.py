"""TFX's artifacts and execution properties, from what the backend sends.

The backend forgets types: inputs come as `instanceSchema: ""` or as `system.Artifact`. What the
component declares is what holds.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from kfp.pipeline_spec.pipeline_spec_pb2 import ArtifactList, ArtifactTypeSchema, ParameterType
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
    given = invocation.request.inputs.artifacts
    types = {key: one.artifact_type for key, one in invocation.declared.artifacts.items()}
    restored = _restore("input", given, types, locations)
    for key, artifacts in restored.items():
        for artifact, runtime in zip(artifacts, given[key].artifacts, strict=True):
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
    return _restore("output", invocation.request.outputs.artifacts, {}, locations)


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
    if schema.WhichOneof("kind") == "schema_title":
        return schema.schema_title
    tree = yaml.safe_load(schema.instance_schema)
    return str(tree.get("title", "")) if isinstance(tree, dict) else ""
