"""What a command compiles, what it wishes of the runs, and the command `compile`."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from pipelines.config import PipelineConfig, load_config
from pipelines.kubeflow.client.parameters import read_parameters
from pipelines.kubeflow.client.resources import Package, Uploaded
from pipelines.kubeflow.client.submit import Order
from pipelines.logs import logging_to
from serving.errors import FailedError, InputError


@dataclass(frozen=True)
class Source:
    """What is compiled.

    Attributes:
        config: a shipped name or the path of a YAML file.
        data: folder with the data in the containers.
        sets: `a.b=value` overrides.
    """

    config: str
    data: str | None = None
    sets: list[str] = field(default_factory=list)

    def load(self) -> PipelineConfig:
        """The configuration.

        Raises:
            InputError: it has a mistake.
        """
        return load_config(self.config, self.sets, self.data)


@dataclass(frozen=True)
class Wish:
    """What runs are to be like, as on the command line; see `Order`."""

    experiment: str = ""
    parameters: list[str] = field(default_factory=list)
    pipeline_root: str = ""
    service_account: str = ""

    def over(self, config: PipelineConfig) -> "Wish":
        """With what the configuration says where nothing else is wished."""
        account = self.service_account or config.kubeflow.service_account
        return replace(self, service_account=account)

    def order(self, package: Package) -> Order:
        """Checked against what the pipeline declares."""
        return Order(
            experiment=self.experiment,
            parameters=read_parameters(self.parameters, package.parameters),
            pipeline_root=self.pipeline_root,
            service_account=self.service_account,
        )


def run_compile(source: Source, output: Path) -> None:
    """Writes the compiled pipeline; an older file stays whole until the new one is complete."""
    if not output.parent.is_dir():
        raise InputError(f"--output {output}", expected="an existing folder", found="none")
    if output.is_dir():
        raise InputError(f"--output {output}", expected="a file", found="a folder")
    console = Console()
    package = compile_config(source.load(), console)
    draft = output.with_name(f".{output.name}.draft")
    try:
        draft.write_text(package.to_yaml(), encoding="utf-8")
        draft.replace(output)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"--output {output}", found=error.strerror or str(error)) from error
    console.print(f"{package.name}: {output}", soft_wrap=True, highlight=False)


def compile_config(config: PipelineConfig, console: Console) -> Package:
    """Compiles; what TFX and TensorFlow have to say meanwhile is dropped.

    Raises:
        InputError: the configuration does not do for a cluster.
        FailedError: TFX cannot be imported.
    """
    with (
        console.status("compiling"),
        tempfile.TemporaryDirectory() as folder,
        logging_to(Path(folder, "compile.log")),
    ):
        try:
            from pipelines.kubeflow.compiler import compile_pipeline
        except ImportError as error:
            raise FailedError(f"cannot import {error.name}: {error}") from error
        return compile_pipeline(config)


def version_line(name: str, uploaded: Uploaded) -> str:
    """What is told of the version that runs."""
    version = uploaded.version.display_name or uploaded.version.name
    return (
        f"pipeline  {name}, version {version} ({'new' if uploaded.new else 'as uploaded before'})"
    )
