"""From the IR that TFX writes, for Google's service, to what open-source Kubeflow Pipelines takes.

Both are PipelineSpec 2.1.0 (kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto) as JSON, but the
open-source backend implements less of it, and runs it on Argo, whose names have no underscores.
"""

import json
from collections.abc import Mapping, Set
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
from serving.errors import InputError

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
        spec: as TFX's KubeflowV2DagRunner makes it; changed in place.
        steps: by step, what its pod gets.
        images: by step, the parameter that names its image.
        uncached: steps that always run.
        defaults: of the run's parameters, all of them.

    Returns:
        A PipelineSpec that the open-source backend takes.

    Raises:
        InputError: the pipeline has a node that it cannot run.
    """
    executors = spec["deploymentSpec"]["executors"]
    _refuse_unknown(executors)
    tasks = spec["root"]["dag"]["tasks"]
    components = spec["components"]
    for step, config in steps.items():
        component = components[step]
        executor = executors[component["executorLabel"]]
        _finish_container(executor["container"], config, image=images[step])
        _finish_component(component, image=images[step])
        _finish_task(tasks[step], config, image=images[step], cached=step not in uncached)
    spec["root"].setdefault("inputDefinitions", {})["parameters"] = {
        name: {"parameterType": _PARAMETER_TYPES[type(value)], "defaultValue": value}
        for name, value in defaults.items()
    }
    return _checked(_renamed(spec))


def _refuse_unknown(executors: Json) -> None:
    for label, executor in executors.items():
        if "container" not in executor:
            [kind] = executor
            raise InputError(
                f"step {label.removesuffix('_executor')}",
                expected="a component that runs in a container",
                found=f"a {kind}, which open-source Kubeflow Pipelines does not run",
            )


def _finish_container(container: Json, config: StepConfig, *, image: str) -> None:
    # What the backend replaces by the value of the component's input parameter.
    container["image"] = f"{{{{$.inputs.parameters['{image}']}}}}"
    container["resources"] = container_resources(config)
    flag = container["args"].index(INPUTS_SPEC_FLAG)
    inputs = json.loads(container["args"][flag + 1])
    container["args"][flag + 1] = json.dumps(inputs, sort_keys=True, separators=(",", ":"))


def _finish_component(component: Json, *, image: str) -> None:
    parameters = component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
    parameters[image] = {"parameterType": "STRING"}
    for definitions in (component["inputDefinitions"], component.get("outputDefinitions", {})):
        for artifact in definitions.get("artifacts", {}).values():
            title = yaml.safe_load(artifact["artifactType"]["instanceSchema"])["title"]
            if title.startswith(_UI_TYPES):  # as kfp writes its own types
                artifact["artifactType"] = {"schemaTitle": title, "schemaVersion": "0.0.1"}


def _finish_task(task: Json, config: StepConfig, *, image: str, cached: bool) -> None:
    parameters = task.setdefault("inputs", {}).setdefault("parameters", {})
    parameters[image] = {"componentInputParameter": image}
    if not cached:
        task["cachingOptions"] = {}
    if policy := retry_policy(config):
        task["retryPolicy"] = policy


def _renamed(spec: Json) -> Json:
    """Names that Argo takes, wherever a task, a component or an executor is named."""
    tasks = {}
    for name, task in spec["root"]["dag"]["tasks"].items():
        task["componentRef"]["name"] = f"comp-{kubeflow_name(task['componentRef']['name'])}"
        # The backend finds the producer of an artifact by this name, so it equals the key.
        task["taskInfo"]["name"] = kubeflow_name(name)
        task["dependentTasks"] = sorted(map(kubeflow_name, task.get("dependentTasks", [])))
        for given in task["inputs"].get("artifacts", {}).values():
            source = given["taskOutputArtifact"]
            source["producerTask"] = kubeflow_name(source["producerTask"])
        tasks[kubeflow_name(name)] = task
    spec["root"]["dag"]["tasks"] = tasks
    labels = {}
    components = {}
    for name, component in spec["components"].items():
        label = executor_label(name)
        labels[component["executorLabel"]] = label
        components[f"comp-{kubeflow_name(name)}"] = component | {"executorLabel": label}
    spec["components"] = components
    spec["deploymentSpec"]["executors"] = {
        labels[label]: executor for label, executor in spec["deploymentSpec"]["executors"].items()
    }
    return spec


def _checked(spec: Json) -> Json:
    """What the message's fields make of it; unknown ones raise."""
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    deployment = json_format.ParseDict(
        spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    checked: Json = json_format.MessageToDict(message)
    checked["deploymentSpec"] = json_format.MessageToDict(deployment)
    return checked
