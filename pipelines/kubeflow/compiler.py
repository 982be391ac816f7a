"""Compiles the pipeline for open-source Kubeflow Pipelines v2: TFX's runner, then `ir`.

TFX is imported when a configuration has passed what can be checked without it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.kubeflow import ir
from pipelines.kubeflow.platform import kubeflow_name, kubernetes_platform, seen_by
from pipelines.kubeflow.platform_checks import check_beam, check_mounted, check_platform
from pipelines.kubeflow.settings import KubeflowConfig
from pipelines.sections import PipelineConfig
from pipelines.steps import STEPS, using
from serving.errors import InputError

COMMAND = ["python", "-m", "pipelines.kubeflow.entrypoint"]
DATA, EPOCHS, IMAGE, GPU_IMAGE = "data", "epochs", "image", "gpu_image"


@dataclass(frozen=True)
class Compiled:
    """A pipeline as Kubeflow Pipelines takes it.

    Attributes:
        name: of the pipeline.
        spec: the PipelineSpec (schema 2.1.0), as JSON.
        platform: the PlatformSpec: what only Kubernetes knows of, as JSON.
    """

    name: str
    spec: dict[str, Any]
    platform: dict[str, Any]

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """The run's parameters: name -> `parameterType` and `defaultValue`."""
        found: dict[str, dict[str, Any]] = self.spec["root"]["inputDefinitions"]["parameters"]
        return found

    def to_yaml(self) -> str:
        """Both documents in one file; the same configuration gives the same text."""
        documents = [self.spec, self.platform]
        return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=100)


def compile_pipeline(config: PipelineConfig) -> Compiled:
    """Compiles the pipeline of `config`, the same that runs on one machine.

    Raises:
        InputError: something is missing that a cluster needs, or makes no sense there.
    """
    kubeflow = config.kubeflow
    steps = config.step_names
    _check_images(kubeflow)
    check_platform(kubeflow, steps)
    check_beam(config)
    _check_places(config)
    images = {step: GPU_IMAGE if kubeflow.step(step).accelerator else IMAGE for step in steps}
    name = kubeflow_name(config.name)
    data, epochs = config.data.path or kubeflow.data, config.trainer.epochs
    named = {key: getattr(kubeflow, key) for key in sorted(set(images.values()))}
    made, asked = _tfx_spec(config, name)
    spec = ir.for_open_source(
        made,
        steps={step: kubeflow.step(step) for step in steps},
        images=images,
        uncached=_uncached(config),
        asked=asked,
        defaults={DATA: data, EPOCHS: epochs, **named},
    )
    spec["pipelineInfo"]["displayName"] = config.name
    spec["pipelineInfo"]["description"] = f"{config.task}, served as {config.pusher.model_name}"
    if kubeflow.pipeline_root:
        spec["defaultPipelineRoot"] = kubeflow.pipeline_root
    return Compiled(name, spec, kubernetes_platform(kubeflow, steps))


def _tfx_spec(config: PipelineConfig, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What TFX's own runner makes of the pipeline; by step, what drivers tell, which it drops."""
    from tfx.orchestration.data_types import RuntimeParameter
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as tfx_runner

    from components.declared import driver_of
    from pipelines.pipeline import Places, build_pipeline

    kubeflow = config.kubeflow
    places = Places(
        # What is asked for when a run starts is a parameter; the rest are paths in the containers.
        data=RuntimeParameter(DATA, ptype=str, default=kubeflow.data),
        pipeline_root=kubeflow.pipeline_root,
        serving_root=_serving_root(config),
        state=kubeflow.state,
        epochs=RuntimeParameter(EPOCHS, ptype=int, default=config.trainer.epochs),
        elsewhere=True,
    )
    pipeline = build_pipeline(config, places)
    # Argo, which runs the steps, refuses underscores, and TFX in a pipeline's name.
    pipeline.pipeline_info.pipeline_name = name
    asked = {}
    for component in pipeline.components:
        if driver := driver_of(component.executor_spec.executor_class):
            asked[component.id] = driver.KEY
        component.with_id(kubeflow_name(component.id))
    runner = tfx_runner.KubeflowV2DagRunner(
        tfx_runner.KubeflowV2DagRunnerConfig(
            display_name=config.name,
            default_image=IMAGE,  # `ir` names the one of each step
            default_commands=COMMAND,
            use_pipeline_spec_2_1=True,
        )
    )
    spec: dict[str, Any] = runner.run(pipeline, write_out=False)["pipelineSpec"]
    return spec, asked


def _uncached(config: PipelineConfig) -> set[str]:
    """What always runs, and what reads files that can change under their path."""
    from components.trainer.fit.building import weight_files

    uncached = {name for name, step in STEPS.items() if not step.cached}
    # A file of weights is named only; what is in it nobody looks at.
    return uncached | set(using("state") if weight_files(config.trainer) else ())


def _serving_root(config: PipelineConfig) -> str:
    root = config.pusher.serving_root or config.kubeflow.serving_root
    if "://" not in root and not Path(root).is_absolute():
        raise InputError(
            "pusher.serving_root",
            expected="a URL, or the absolute path of a mounted volume in the containers",
            found=f"'{root}'",
        )
    return root


def _check_places(config: PipelineConfig) -> None:
    """Refuses folders that no volume holds, and a store that the pods have no key to."""
    kubeflow = config.kubeflow
    key = "data.path" if config.data.path else "kubeflow.data"
    check_mounted(kubeflow, "example_gen", key, config.data.path or kubeflow.data)
    root = _serving_root(config)
    for step in using("models"):
        if "://" not in root:
            check_mounted(kubeflow, step, "the serving root", root)
        elif not seen_by(step, kubeflow.secrets) and not kubeflow.service_account:
            raise InputError(
                f"kubeflow.secrets: step {step} uses {root}",
                expected="a secret with the store's credentials, or kubeflow.service_account",
                found="neither",
            )


def _check_images(kubeflow: KubeflowConfig) -> None:
    """Refuses none, and tags that move: the backend's cache goes by the name."""
    if not kubeflow.image:
        raise InputError(
            "kubeflow.image is not set",
            expected="the pipeline's container image",
            todo="build k8s/images/pipeline.Dockerfile, push it,"
            " and pass --set kubeflow.image=REGISTRY/NAME:TAG",
        )
    for key in (IMAGE, GPU_IMAGE):
        image: str = getattr(kubeflow, key)
        if image and not re.fullmatch(r"[^\s@]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})", image):
            raise InputError(
                f"kubeflow.{key}",
                expected="an image with a tag of its own (not 'latest') or a digest",
                found=f"'{image}'",
            )


class _Dumper(yaml.SafeDumper):
    """For readers: JSON and schemas, texts of several lines, in their own lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
