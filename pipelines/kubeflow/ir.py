"""From the IR that TFX writes, for Google's service, to what open-source Kubeflow Pipelines takes.

Both are PipelineSpec 2.1.0 (kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto) as JSON, but the
open-source backend implements less of it.
"""

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.kubeflow.invocation import INPUTS_SPEC_FLAG
from pipelines.kubeflow.platform import (
    container_resources,
    executor_label,
    kubeflow_name,
    retry_policy,
)
from pipelines.kubeflow.settings import StepConfig

Json = dict[str, Any]

_PARAMETER_TYPES = {str: "STRING", int: "NUMBER_INTEGER"}
_UI_TYPES = "system."


def for_open_source(
    spec: Json,
    *,
    steps: Mapping[str, StepConfig],
    images: Mapping[str, str],
    uncached: Set[str],
    defaults: Mapping[str, str | int],
) -> Json:
    """Rewrites the whole specification.

    Args:
        spec: as TFX's KubeflowV2DagRunner makes it of steps with names for Kubeflow.
        steps: by step, what its pod gets.
        images: by step, the parameter that names its image.
        uncached: steps that always run.
        defaults: of the run's parameters, all of them.

    Returns:
        A PipelineSpec that the open-source backend takes.
    """
    components, executors = {}, {}
    for step, config in steps.items():
        name, label, image = kubeflow_name(step), executor_label(step), images[step]
        component, task = spec["components"][name], spec["root"]["dag"]["tasks"][name]
        executors[label] = spec["deploymentSpec"]["executors"][component["executorLabel"]]
        _finish_container(executors[label]["container"], config, image)
        # The names that kfp gives.
        components[f"comp-{name}"] = component | {"executorLabel": label}
        task["componentRef"]["name"] = f"comp-{name}"
        for artifact in _artifacts(component):
            title = yaml.safe_load(artifact["artifactType"]["instanceSchema"])["title"]
            if title.startswith(_UI_TYPES):  # as kfp writes its own types
                artifact["artifactType"] = {"schemaTitle": title, "schemaVersion": "0.0.1"}
        _parameters(component, "inputDefinitions")[image] = {"parameterType": "STRING"}
        _parameters(task, "inputs")[image] = {"componentInputParameter": image}
        if step in uncached:
            task["cachingOptions"] = {}
        if policy := retry_policy(config):
            task["retryPolicy"] = policy
    spec["components"], spec["deploymentSpec"]["executors"] = components, executors
    _parameters(spec["root"], "inputDefinitions").update(
        {
            name: {"parameterType": _PARAMETER_TYPES[type(value)], "defaultValue": value}
            for name, value in defaults.items()
        }
    )
    return _checked(spec)


def _parameters(tree: Json, key: str) -> Json:
    found: Json = tree.setdefault(key, {}).setdefault("parameters", {})
    return found


def _artifacts(component: Json) -> Iterator[Json]:
    for key in ("inputDefinitions", "outputDefinitions"):
        yield from component.get(key, {}).get("artifacts", {}).values()


def _finish_container(container: Json, config: StepConfig, image: str) -> None:
    # What the backend replaces by the value of the component's input parameter.
    container["image"] = f"{{{{$.inputs.parameters['{image}']}}}}"
    container["resources"] = container_resources(config)
    flag = container["args"].index(INPUTS_SPEC_FLAG)
    inputs = json.loads(container["args"][flag + 1])
    container["args"][flag + 1] = json.dumps(inputs, sort_keys=True, separators=(",", ":"))


def _checked(spec: Json) -> Json:
    """What the message's fields make of it; unknown ones raise."""
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    deployment = json_format.ParseDict(
        spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    made = {"deploymentSpec": json_format.MessageToDict(deployment)}
    return json_format.MessageToDict(message) | made
