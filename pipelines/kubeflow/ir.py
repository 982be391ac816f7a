"""From the IR that TFX writes, for Google's service, to what open-source Kubeflow Pipelines takes.

Both are PipelineSpec 2.1.0 (kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto) as JSON, but the
open-source backend implements less of it.
"""

import copy
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
    asked: Mapping[str, str],
    defaults: Mapping[str, str | int],
) -> Json:
    """Rewrites the whole specification.

    Args:
        spec: as TFX's KubeflowV2DagRunner makes it of steps with names for Kubeflow.
        steps: by step, what its pod gets.
        images: by step, the parameter that names its image.
        uncached: steps that always run.
        asked: by step, the parameter that its driver tells.
        defaults: of the run's parameters, all of them.

    Returns:
        A PipelineSpec that the open-source backend takes.
    """
    components, executors = {}, {}
    for step, config in steps.items():
        name, label, image = kubeflow_name(step), executor_label(step), images[step]
        component, task = spec["components"][name], spec["root"]["dag"]["tasks"][name]
        executors[label] = spec["deploymentSpec"]["executors"][component["executorLabel"]]
        _finish_container(executors[label]["container"], config, image, asked.get(step))
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
    for step, key in asked.items():
        _ask_before(spec, kubeflow_name(step), key)
    _parameters(spec["root"], "inputDefinitions").update(
        {
            name: {"parameterType": _PARAMETER_TYPES[type(value)], "defaultValue": value}
            for name, value in defaults.items()
        }
    )
    return _checked(spec)


def _ask_before(spec: Json, name: str, key: str) -> None:
    """Adds a task, never cached, that asks a step's driver; the answer is the step's parameter.

    So the backend's cache, which goes by parameters, knows what changed under the same path. Both
    have one executor, hence pods alike: the entrypoint sees what is asked for.
    """
    components, tasks = spec["components"], spec["root"]["dag"]["tasks"]
    component, task, asking = components[f"comp-{name}"], tasks[name], f"{name}-fingerprint"
    answer = {key: {"parameterType": "STRING"}}
    components[f"comp-{asking}"] = copy.deepcopy(component) | {
        "outputDefinitions": {"parameters": answer}
    }
    tasks[asking] = copy.deepcopy(task) | {
        "cachingOptions": {},
        "componentRef": {"name": f"comp-{asking}"},
        "taskInfo": {"name": asking},
    }
    _parameters(component, "inputDefinitions").update(answer)
    told = {"producerTask": asking, "outputParameterKey": key}
    _parameters(task, "inputs")[key] = {"taskOutputParameter": told}
    task["dependentTasks"] = sorted([*task.get("dependentTasks", ()), asking])


def _parameters(tree: Json, key: str) -> Json:
    found: Json = tree.setdefault(key, {}).setdefault("parameters", {})
    return found


def _artifacts(component: Json) -> Iterator[Json]:
    for key in ("inputDefinitions", "outputDefinitions"):
        yield from component.get(key, {}).get("artifacts", {}).values()


def _finish_container(container: Json, config: StepConfig, image: str, asked: str | None) -> None:
    # What the backend replaces by the value of the component's input parameter.
    container["image"] = f"{{{{$.inputs.parameters['{image}']}}}}"
    container["resources"] = container_resources(config)
    flag = container["args"].index(INPUTS_SPEC_FLAG)
    inputs = json.loads(container["args"][flag + 1])
    if asked:
        inputs["parameters"][asked] = {"parameterType": "STRING", "isOptional": True}
    container["args"][flag + 1] = json.dumps(inputs, sort_keys=True, separators=(",", ":"))


def _checked(spec: Json) -> Json:
    """What the message's fields make of it; unknown ones raise."""
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    deployment = json_format.ParseDict(
        spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    made = {"deploymentSpec": json_format.MessageToDict(deployment)}
    return json_format.MessageToDict(message) | made
