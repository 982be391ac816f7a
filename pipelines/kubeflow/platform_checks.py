"""Refuses what Kubernetes would refuse, or silently drop, long after a pipeline was submitted."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from kubernetes.utils.quantity import parse_quantity

from components.beam_args import runner, runs_elsewhere
from pipelines.kubeflow.platform import SHARED_MEMORY, SHARED_MEMORY_PATH, seen_by
from pipelines.kubeflow.settings import KubeflowConfig
from pipelines.sections import PipelineConfig
from pipelines.steps import using
from serving.errors import InputError

# A pod's volumes are named after claims and secrets; these are the backend's, Argo's and ours.
_TAKEN_NAMES = {
    SHARED_MEMORY,
    *("kfp-launcher", "kfp-launcher-token", "kfp-launcher-config", "kfp-workspace"),
    *("gcs-scratch", "s3-scratch", "minio-scratch", "var-run-argo", "tmp-dir-argo"),
    *("dot-local-scratch", "dot-cache-scratch", "dot-config-scratch"),
}
# A mount on one of these, or above it, hides what the container runs from.
_NEEDED_FOLDERS = ("/app", "/kfp-launcher", "/usr", "/etc", "/proc", "/sys", "/dev", "/tmp")
# Mounts of backends without ML Metadata (after 2.18), read-only as secrets are.
_LAUNCHERS = ("/var/run/secrets/kfp", "/etc/kfp/launcher-config")
# The one kind of URL that every reader and writer of ours takes as it is.
_READABLE = "gs"
_SCRATCH = {"minio": "/minio", "s3": "/s3"}


def check_platform(config: KubeflowConfig, steps: Iterable[str]) -> None:
    """Refuses a section `kubeflow` that cannot work for these steps.

    Raises:
        InputError: the first mistake, in one line that names step and key.
    """
    for name in steps:
        _check_resources(config, name)
        _check_tolerations(config, name)
        _check_mounts(config, name)
        _check_variables(config, name)
        if config.state and name in using("state"):
            check_mounted(config, name, "kubeflow.state", config.state)


def check_mounted(config: KubeflowConfig, step: str, key: str, path: str) -> None:
    """Refuses a folder that is lost with the step's pod.

    Args:
        config: the section `kubeflow`.
        step: that reads or writes there.
        key: of the configuration, for the message.
        path: absolute, in the container.

    Raises:
        InputError: none of the step's volumes holds it.
    """
    seen = [volume.path for volume in seen_by(step, config.volumes)]
    if not any(_holds(folder, path) for folder in seen):
        raise InputError(
            f"{key}: step {step}",
            expected=f"a folder on one of its volumes ({', '.join(seen) or 'it has none'})",
            found=f"'{path}', which is lost with its pod",
            todo="see kubeflow.volumes",
        )


def check_beam(config: PipelineConfig) -> None:
    """Refuses Beam options that cannot work in a step's pod.

    Workers elsewhere see a step's local copies of artifacts only on a volume that they and the step
    mount at the same path, or take URLs, which Beam and TensorFlow both do for `gs://` alone.

    Raises:
        InputError: the first mistake, in one line.
    """
    beam = config.beam
    for step in config.beam_steps:
        key = f"beam.steps.{step}" if step in beam.steps else "beam.args"
        args = beam.steps.get(step, beam.args)
        _check_job_server(args, key)
        if runs_elsewhere(args):
            _check_artifacts(step, args, key, config.kubeflow)


def _check_resources(config: KubeflowConfig, name: str) -> None:
    step = config.step(name)
    key = f"kubeflow.steps.{name}"
    if step.accelerator and not config.gpu_image:
        raise InputError(
            f"{key}.accelerator needs kubeflow.gpu_image",
            expected="the container image with CUDA libraries",
            found="none",
            todo="build k8s/images and pass --set kubeflow.gpu_image=REGISTRY/NAME:TAG",
        )
    pairs = [(f"{kind}_request", f"{kind}_limit") for kind in ("cpu", "memory")]
    # What lies in shared memory counts as the container's.
    for lower, upper in [*pairs, ("shared_memory", "memory_limit")]:
        asked, limit = getattr(step, lower), getattr(step, upper)
        if asked and limit and parse_quantity(asked) > parse_quantity(limit):
            raise InputError(
                f"{key}.{lower}",
                expected=f"at most {upper} = {limit} (a step's or the default)",
                found=asked,
            )


def _check_tolerations(config: KubeflowConfig, name: str) -> None:
    key = f"kubeflow.steps.{name}.tolerations"
    for toleration in config.step(name).tolerations:
        if toleration.operator == "Equal" and not toleration.key:
            raise InputError(key, expected="a key for operator Equal", found="none")
        if toleration.operator == "Exists" and toleration.value:
            raise InputError(
                key, expected="no value for operator Exists", found=f"'{toleration.value}'"
            )


def _check_mounts(config: KubeflowConfig, name: str) -> None:
    """Kubernetes merges volumes of one name and mounts of one path: one of them would be gone."""
    volume_names: dict[str, str] = {}
    paths = {SHARED_MEMORY_PATH: "shared_memory"} if config.step(name).shared_memory else {}
    paths |= dict.fromkeys(_LAUNCHERS, "the launcher's own secrets")
    for volume_name, path, what in _mounts(config, name):
        where = f"step {name}: {what}"
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", volume_name):
            raise InputError(
                where,
                expected="a name of at most 63 letters, digits and hyphens: volumes are named so",
                found=f"'{volume_name}'",
            )
        if volume_name in _TAKEN_NAMES:
            raise InputError(
                where, expected="a name that Kubeflow Pipelines' own volumes do not have"
            )
        # A claim may be seen twice; a claim and a secret of one name would become one volume.
        if volume_names.setdefault(volume_name, what) != what:
            raise InputError(
                where,
                expected=f"a name other than that of {volume_names[volume_name]}: a pod's volumes"
                " are named after them",
            )
        for folder in _NEEDED_FOLDERS:
            if _holds(path, folder):
                raise InputError(where, expected=f"a path that does not hide {folder}", found=path)
        for other, owner in paths.items():
            # A volume may lie in another; a secret's files are read-only and hold nothing else.
            inside = _holds(path, other) or _holds(other, path)
            if path == other or (inside and "secret" in what + owner):
                raise InputError(
                    where, expected=f"a path apart from that of {owner}", found=f"'{path}'"
                )
        paths[path] = what


def _mounts(config: KubeflowConfig, name: str) -> Iterator[tuple[str, str, str]]:
    """What a step's pod mounts: volume name, path, and what it is called in a message."""
    for volume in seen_by(name, config.volumes):
        yield volume.claim, volume.path, f"kubeflow.volumes, claim {volume.claim}"
    for secret in seen_by(name, config.secrets):
        if secret.path:
            yield secret.name, secret.path, f"kubeflow.secrets, secret {secret.name}"


def _check_variables(config: KubeflowConfig, name: str) -> None:
    owners: dict[str, str] = {}
    for secret in seen_by(name, config.secrets):
        for variable in secret.env:
            where = f"step {name}: kubeflow.secrets, secret {secret.name}: env {variable}"
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise InputError(where, expected="the name of an environment variable")
            if variable in owners:
                raise InputError(
                    where, expected="one secret", found=f"also in secret {owners[variable]}"
                )
            owners[variable] = secret.name


def _check_job_server(args: list[str], key: str) -> None:
    """Beam would start Flink's and Spark's with Java, from a file that it downloads."""
    if runner(args) in ("FlinkRunner", "SparkRunner") and not any(
        arg.startswith("--job_endpoint") for arg in args
    ):
        raise InputError(
            f"{key}: the image has no Java to start a job server with",
            expected="--job_endpoint=HOST:PORT of one that runs",
            found="none",
            todo="k8s/flink has one",
        )


def _check_artifacts(step: str, args: list[str], key: str, kubeflow: KubeflowConfig) -> None:
    scheme = kubeflow.pipeline_root.partition("://")[0]
    dataflow = runner(args) == "DataflowRunner"
    if not scheme or (dataflow and scheme != _READABLE):
        raise InputError(
            f"{key}: workers elsewhere have to reach the artifacts: kubeflow.pipeline_root",
            expected="a URL gs://" if dataflow else "the URL that artifacts go below",
            found=f"'{kubeflow.pipeline_root}'",
        )
    if dataflow and step in using("data"):
        raise InputError(
            f"{key}: {step} reads a folder on a volume, which Dataflow's workers do not see",
            todo=f"give it options of its own under beam.steps.{step}",
        )
    if scheme != _READABLE:
        check_mounted(kubeflow, step, f"{key}: workers elsewhere", _SCRATCH[scheme])


def _holds(folder: str, path: str) -> bool:
    """Whether a path is a folder or lies below it."""
    return PurePosixPath(path).is_relative_to(folder)
