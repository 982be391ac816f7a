"""What a step's pod gets: the part of a compiled pipeline that only Kubernetes knows of.

Every function here writes what Kubeflow Pipelines' backends from 2.5 on read; their drivers parse
strictly, so a field that one of them does not know would stop the run. Left out for that reason:
`securityContext` (read from 2.16 on; the image names its user itself) and `enabledSharedMemory`,
which no released driver reads; a memory volume on /dev/shm does the same everywhere.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf import json_format
from kfp import kubernetes
from kfp.dsl.pipeline_task import PipelineTask
from kfp.dsl.structures import ComponentSpec, ContainerSpecImplementation, Implementation
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from kubernetes.utils.quantity import parse_quantity

from pipelines.kubeflow.settings import KubeflowConfig, SecretConfig, StepConfig, VolumeConfig

_Entry = TypeVar("_Entry", VolumeConfig, SecretConfig)

SHARED_MEMORY = "shared-memory"
SHARED_MEMORY_PATH = "/dev/shm"

# Argo counts it from the start of the first attempt, time in queues included; past it, it starts
# no other and kills the one that runs. What bounds a step is its timeout and number of retries.
_RETRIES_END_SECONDS = 365 * 24 * 3600
_BACKOFF_FACTOR = 2.0

_ResourceSpec = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec
_RetryPolicy = pipeline_spec_pb2.PipelineTaskSpec.RetryPolicy


def kubeflow_name(step: str) -> str:
    """A step's or pipeline's name on Kubeflow Pipelines."""
    return step.replace("_", "-")


def executor_label(step: str) -> str:
    """The name under which a compiled pipeline keeps a step's container."""
    return f"exec-{kubeflow_name(step)}"


def seen_by(step: str, entries: Iterable[_Entry]) -> list[_Entry]:
    """Those of the volumes or secrets that a step sees."""
    return [one for one in entries if one.steps is None or step in one.steps]


def kubernetes_platform(config: KubeflowConfig, steps: Iterable[str]) -> dict[str, Any]:
    """The second document of a compiled pipeline, a PlatformSpec.

    Returns:
        By executor, volumes, secrets, node selector, tolerations, shared memory and timeout.
    """
    executors = {executor_label(step): _executor(config, step) for step in steps}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def container_resources(step: StepConfig) -> dict[str, Any]:
    """`container.resources` of one executor, in the fields of newer and of older backends.

    Returns:
        CPUs, memory and accelerators; older fields take CPUs and 10^9 bytes as numbers.
    """
    spec = _ResourceSpec()
    for kind, unit in (("cpu", 1), ("memory", 10**9)):
        for bound in ("request", "limit"):
            quantity = getattr(step, f"{kind}_{bound}")
            if quantity is not None:
                setattr(spec, f"resource_{kind}_{bound}", quantity)
                setattr(spec, f"{kind}_{bound}", float(parse_quantity(quantity) / unit))
    if step.accelerator:
        spec.accelerator.type = spec.accelerator.resource_type = step.accelerator.type
        spec.accelerator.count = step.accelerator.count
        spec.accelerator.resource_count = str(step.accelerator.count)
    return json_format.MessageToDict(spec)


def retry_policy(step: StepConfig) -> dict[str, Any]:
    """`retryPolicy` of one task; empty: its pod is started once.

    Every field is given: for a longest duration that is missing the backend writes 0 seconds, and
    kfp's own 3600, after which Argo would not start a training again, or kill it (see above).
    """
    if not step.retries:
        return {}
    policy = _RetryPolicy(max_retry_count=step.retries, backoff_factor=_BACKOFF_FACTOR)
    policy.backoff_duration.FromSeconds(step.backoff_seconds)
    policy.backoff_max_duration.FromSeconds(_RETRIES_END_SECONDS)
    return json_format.MessageToDict(policy)


def _executor(config: KubeflowConfig, name: str) -> dict[str, Any]:
    """One executor's KubernetesExecutorConfig, as kfp-kubernetes writes it."""
    step = config.step(name)
    task = _task(name)
    for key, value in sorted(step.node_selector.items()):
        kubernetes.add_node_selector(task, key, value)
    for toleration in step.tolerations:
        # Empty fields are left out, as Kubernetes leaves them out.
        given = {key: value or None for key, value in toleration.model_dump().items()}
        kubernetes.add_toleration(task, **given)
    if step.shared_memory:
        kubernetes.empty_dir_mount(
            task, SHARED_MEMORY, SHARED_MEMORY_PATH, medium="Memory", size_limit=step.shared_memory
        )
    if step.timeout_seconds:
        kubernetes.set_timeout(task, step.timeout_seconds)
    for volume in seen_by(name, config.volumes):
        kubernetes.mount_pvc(task, volume.claim, volume.path, volume.sub_path)
    for secret in seen_by(name, config.secrets):
        # One call for each: kfp takes them by key, and a key may serve two variables.
        for variable, key in sorted(secret.env.items()):
            kubernetes.use_secret_as_env(task, secret.name, {key: variable})
        if secret.path:
            kubernetes.use_secret_as_volume(task, secret.name, secret.path)
    if config.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, config.image_pull_secrets)
    if config.image_pull_policy:
        kubernetes.set_image_pull_policy(task, config.image_pull_policy)
    made = task.platform_config.get("kubernetes", {})
    return json_format.MessageToDict(
        json_format.ParseDict(made, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    )


def _task(name: str) -> PipelineTask:
    """A task for kfp-kubernetes to write on; no pipeline is built around it."""
    container = ContainerSpecImplementation(image="not-used")
    spec = ComponentSpec(name=name, implementation=Implementation(container=container))
    return PipelineTask(component_spec=spec, args={})
