"""What a cluster has to know about a pipeline; the section `kubeflow` of its configuration.

Nothing here changes what a pipeline computes: the same file runs on one machine.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from components.settings import PositiveInt, Section
from serving.errors import InputError, check_one_of


def _quantity(value: Any) -> Any:
    """As Kubernetes, takes 2 for "2"."""
    text = str(value) if type(value) in (int, float) else value
    if isinstance(text, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", text):
        return text
    raise PydanticCustomError("quantity", "Input should be a quantity like 500m, 2 or 16Gi")


# Kubernetes' quantities as far as CPUs and bytes need them.
Quantity = Annotated[str, PlainValidator(_quantity)]
# A name of an object, and an absolute path in a container.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
MountPath = Annotated[str, Field(pattern=r"^/[^\s]*[^\s/]$")]

# Every step that a pipeline may have, in order.
STEPS = (
    "example_gen",
    "statistics_gen",
    "schema_gen",
    "example_validator",
    "data_validation",
    "tuner",
    "trainer",
    "baseline",
    "evaluator",
    "interpreter",
    "converter",
    "infra_validator",
    "pusher",
)
DEFAULT = "default"


class AcceleratorConfig(Section):
    """Accelerators of one pod.

    Attributes:
        type: the name of the Kubernetes resource, `nvidia.com/gpu`.
        count: how many.
    """

    type: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[a-zA-Z0-9._-]+$")] = "nvidia.com/gpu"
    count: PositiveInt = 1


class TolerationConfig(Section):
    """A taint of nodes that a step's pod may run on all the same; as Kubernetes' toleration.

    Attributes:
        key: of the taint; empty with `Exists`: all.
        operator: `Exists`, or `Equal` to `value`.
        value: of the taint.
        effect: which of its effects is tolerated; empty: all.
    """

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class StepConfig(Section):
    """What one step's pod gets. What is not given is as under `default`.

    Attributes:
        cpu_request, cpu_limit: CPUs, `500m` or `4`.
        memory_request, memory_limit: bytes, `16Gi`.
        accelerator: GPUs; the pod then runs `kubeflow.gpu_image`. None: none.
        node_selector: labels of the nodes that it may run on.
        tolerations: see there.
        shared_memory: size of /dev/shm, in bytes; None: the container engine's 64 MiB.
        retries: how often a failed pod is started again.
        backoff_seconds: pause before the first of them; it doubles each time.
        timeout_seconds: after which the pod is stopped; None: never.
    """

    cpu_request: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_request: Quantity | None = None
    memory_limit: Quantity | None = None
    accelerator: AcceleratorConfig | None = None
    node_selector: dict[str, str] = {}
    tolerations: list[TolerationConfig] = []
    shared_memory: Quantity | None = None
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    backoff_seconds: PositiveInt = 60
    timeout_seconds: PositiveInt | None = None


class VolumeConfig(Section):
    """A PersistentVolumeClaim in the pods' namespace.

    Attributes:
        claim: its name.
        path: where containers see it.
        sub_path: folder of the volume that they see; empty: all of it.
        steps: steps that see it; None: all.
    """

    claim: Name
    path: MountPath
    sub_path: str = ""
    steps: list[str] | None = None


class SecretConfig(Section):
    """A Secret in the pods' namespace: nothing of it enters parameters, logs or metadata.

    Attributes:
        name: of the Secret.
        env: by environment variable, the Secret's key.
        path: folder where containers see its keys as files; empty: nowhere.
        steps: steps that see it; None: all.
    """

    name: Name
    env: dict[str, str] = {}
    path: MountPath | Literal[""] = ""
    steps: list[str] | None = None


DEFAULT_STEP = StepConfig(
    cpu_request="1", cpu_limit="2", memory_request="2Gi", memory_limit="6Gi", timeout_seconds=21600
)
DEFAULT_VOLUMES = [
    VolumeConfig(claim="data", path="/data", steps=["example_gen"]),
    VolumeConfig(claim="models", path="/models", steps=["baseline", "pusher"]),
    VolumeConfig(claim="training-state", path="/state", steps=["tuner", "trainer"]),
]


class KubeflowConfig(Section):
    """How the pipeline runs on Kubeflow Pipelines. The defaults fit `k8s/pipelines`.

    Attributes:
        image: container image of the steps with a fixed tag or digest (`k8s/images`); the run's
            parameter `image`.
        gpu_image: that of steps with an accelerator; the run's parameter `gpu_image`.
        data: folder with the data, in the containers; the run's parameter `data`.
        serving_root: folder above the models' own, in the containers; `pusher.serving_root`,
            which may be a URL, comes first.
        state: folder where a training that was stopped leaves what its retry goes on from; empty:
            it starts anew.
        pipeline_root: URL (minio://, s3://, gs://) below which artifacts go; empty: the
            installation's own.
        service_account: of the pods; empty: the installation's own.
        image_pull_secrets: Secrets for the images' registry.
        image_pull_policy: as Kubernetes'.
        volumes, secrets: see there.
        steps: by step, or for all under `default`, what its pod gets.
    """

    image: str = ""
    gpu_image: str = ""
    data: MountPath = "/data"
    serving_root: MountPath = "/models"
    state: MountPath | Literal[""] = "/state"
    pipeline_root: Annotated[str, Field(pattern=r"^$|^(minio|s3|gs)://[^\s]+$")] = ""
    service_account: Name | Literal[""] = ""
    image_pull_secrets: list[Name] = []
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = "IfNotPresent"
    volumes: list[VolumeConfig] = DEFAULT_VOLUMES
    secrets: list[SecretConfig] = []
    steps: dict[str, StepConfig] = {}

    @model_validator(mode="after")
    def _steps_exist(self) -> "KubeflowConfig":
        for name in self.steps:
            check_one_of("kubeflow.steps", name, (DEFAULT, *STEPS))
        for kind, entries in (("volumes", self.volumes), ("secrets", self.secrets)):
            for entry in entries:
                for name in entry.steps or ():
                    check_one_of(f"kubeflow.{kind}: steps", name, STEPS)
        for secret in self.secrets:
            if not secret.env and not secret.path:
                raise InputError(
                    f"kubeflow.secrets: {secret.name}", expected="env or path", found="neither"
                )
        return self

    def step(self, name: str) -> StepConfig:
        """What a step's pod gets, with the defaults under it.

        Args:
            name: one of STEPS.
        """
        merged: dict[str, Any] = {}
        for layer in (DEFAULT_STEP, self.steps.get(DEFAULT), self.steps.get(name)):
            if layer is not None:
                merged |= {key: getattr(layer, key) for key in layer.model_fields_set}
        return StepConfig.model_construct(**merged)
