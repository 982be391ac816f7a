"""The command `pawlens kubeflow compile`, and what it shares with the others."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.config import PipelineConfig
from pipelines.kubeflow.client.options import Source
from pipelines.logs import logging_to, terminal
from pipelines.workdir import write_whole
from serving.errors import FailedError, InputError

if TYPE_CHECKING:
    from pipelines.kubeflow.compiler import Compiled


def run_compile(source: Source, output: Path) -> None:
    """Writes the compiled pipeline; an older file stays whole until the new one is complete."""
    if not output.parent.is_dir():
        raise InputError(f"--output {output}", expected="an existing folder", found="none")
    console = plain_console()
    package = compile_config(source.load(), console)
    write_whole(output, package.to_yaml().encode())
    console.print(f"{package.name}: {output}")


def compile_config(config: PipelineConfig, console: Console) -> "Compiled":
    """Compiles; what TFX and TensorFlow have to say meanwhile is dropped.

    Raises:
        InputError: the configuration does not do for a cluster.
        FailedError: TFX cannot be imported.
    """
    with console.status("compiling"), logging_to(Path(os.devnull)):
        try:
            from pipelines.kubeflow.compiler import compile_pipeline
        except ImportError as error:
            raise FailedError(f"cannot import {error.name}: {error}") from error
        return compile_pipeline(config)


def plain_console() -> Console:
    """Where commands tell what they did: whole lines, as they are."""
    return terminal(soft_wrap=True, highlight=False)
