"""What a cluster has to know about a pipeline; the section `kubeflow` of its configuration.

Nothing here changes what a pipeline computes: the same file runs on one machine.
"""

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from components.settings import PositiveInt, Section
from pipelines.steps import unknown, using
from serving.errors import InputError


def _quantity(value: Any) -> Any:
    """As Kubernetes, takes 2 for "2"."""
    text = str(value) if type(value) in (int, float) else value
    if isinstance(text, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", text):
        return text
    raise PydanticCustomError("quantity", "Input should be a quantity like 500m, 2 or 16Gi")


# Kubernetes' quantities as far as CPUs and bytes need them.
Quantity = Annotated[str, PlainValidator(_quantity, json_schema_input_type=str | float)]
# A name of an object, and an absolute path in a container.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
MountPath = Annotated[str, Field(pattern=r"^/[^\s]*[^\s/]$")]

DEFAULT = "default"


class AcceleratorConfig(Section):
    """Accelerators of one pod."""

    type: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[a-zA-Z0-9._-]+$")] = "nvidia.com/gpu"
    """The name of the Kubernetes resource."""
    count: PositiveInt = 1
    """How many."""


class TolerationConfig(Section):
    """A taint of nodes that a step's pod may run on all the same; as Kubernetes' toleration."""

    key: str = ""
    """Of the taint; empty with `Exists`: all."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """Whether the taint is there, or equal to `value`."""
    value: str = ""
    """Of the taint."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """Which of its effects is tolerated; empty: all."""


class StepConfig(Section):
    """What one step's pod gets. What is not given is as under `default`."""

    cpu_request: Quantity | None = None
    """CPUs that the pod is promised, `500m` or `4`."""
    cpu_limit: Quantity | None = None
    """CPUs that it may use."""
    memory_request: Quantity | None = None
    """Bytes that it is promised, `16Gi`."""
    memory_limit: Quantity | None = None
    """Bytes that it may use."""
    accelerator: AcceleratorConfig | None = None
    """GPUs; the pod then runs `kubeflow.gpu_image`. None: none."""
    node_selector: dict[str, str] = {}
    """Labels of the nodes that it may run on."""
    tolerations: list[TolerationConfig] = []
    """Taints that do not keep it away."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, in bytes; None: the container engine's 64 MiB."""
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    """How often a failed pod is started again."""
    backoff_seconds: PositiveInt = 60
    """Pause before the first of them; it doubles each time."""
    timeout_seconds: PositiveInt | None = None
    """After which the pod is stopped; None: never."""


class VolumeConfig(Section):
    """A PersistentVolumeClaim in the pods' namespace."""

    claim: Name
    """Its name."""
    path: MountPath
    """Where containers see it."""
    sub_path: str = ""
    """Folder of the volume that they see; empty: all of it."""
    steps: list[str] | None = None
    """Steps that see it; None: all."""


class SecretConfig(Section):
    """A Secret in the pods' namespace: nothing of it enters parameters, logs or metadata."""

    name: Name
    """Of the Secret."""
    env: dict[str, str] = {}
    """By environment variable, the Secret's key."""
    path: MountPath | Literal[""] = ""
    """Folder where containers see its keys as files; empty: nowhere."""
    steps: list[str] | None = None
    """Steps that see it; None: all."""

    def mistakes(self) -> Iterator[InputError]:
        """One that is seen nowhere."""
        if not self.env and not self.path:
            yield InputError(
                f"kubeflow.secrets: {self.name}", expected="env or path", found="neither"
            )


DEFAULT_STEP = StepConfig(
    cpu_request="1", cpu_limit="2", memory_request="2Gi", memory_limit="6Gi", timeout_seconds=21600
)
DEFAULT_VOLUMES = [
    VolumeConfig(claim="data", path="/data", steps=using("data")),
    VolumeConfig(claim="models", path="/models", steps=using("models")),
    VolumeConfig(claim="training-state", path="/state", steps=using("state")),
]


class KubeflowConfig(Section):
    """How the pipeline runs on Kubeflow Pipelines. The defaults fit `k8s/pipelines`."""

    image: str = ""
    """Container image of the steps with a fixed tag or digest (`k8s/images`); the run's parameter
    `image`."""
    gpu_image: str = ""
    """That of steps with an accelerator; the run's parameter `gpu_image`."""
    data: MountPath = "/data"
    """Folder with the data, in the containers; the run's parameter `data`."""
    serving_root: MountPath = "/models"
    """Folder above the models' own, in the containers; `pusher.serving_root`, which may be a URL,
    comes first."""
    state: MountPath | Literal[""] = "/state"
    """Folder where a training that was stopped leaves what its retry goes on from; empty: it starts
    anew."""
    pipeline_root: Annotated[str, Field(pattern=r"^$|^(minio|s3|gs)://[^\s]+$")] = ""
    """URL (minio://, s3://, gs://) below which artifacts go; empty: the installation's own."""
    service_account: Name | Literal[""] = ""
    """Of the pods; empty: the installation's own."""
    image_pull_secrets: list[Name] = []
    """Secrets for the images' registry."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """As Kubernetes'."""
    volumes: list[VolumeConfig] = DEFAULT_VOLUMES
    """Where data, models and the state of trainings lie."""
    secrets: list[SecretConfig] = []
    """Credentials that steps see."""
    steps: dict[str, StepConfig] = {}
    """By step, or for all under `default`, what its pod gets."""

    def step_mistakes(self, names: Collection[str]) -> Iterator[InputError]:
        """Names of steps that the pipeline does not have."""
        yield from unknown("kubeflow.steps", [one for one in self.steps if one != DEFAULT], names)
        for kind, entries in (("volumes", self.volumes), ("secrets", self.secrets)):
            for one in entries:
                yield from unknown(f"kubeflow.{kind}: steps", one.steps or (), names)

    def step(self, name: str) -> StepConfig:
        """What a step's pod gets, with the defaults under it."""
        merged: dict[str, Any] = {}
        for layer in (DEFAULT_STEP, self.steps.get(DEFAULT), self.steps.get(name)):
            if layer is not None:
                merged |= {key: getattr(layer, key) for key in layer.model_fields_set}
        return StepConfig.model_construct(**merged)
