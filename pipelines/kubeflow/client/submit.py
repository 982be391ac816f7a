"""A compiled pipeline, and one run of it: the commands `pawlens kubeflow compile` and `submit`."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client.options import Access, Patience, Source, Wish
from pipelines.kubeflow.client.resources import compile_config, prepare
from pipelines.kubeflow.client.server import Server
from pipelines.kubeflow.client.watch import SUCCEEDED, failure, follow, step_names
from pipelines.logs import plain_terminal
from serving.errors import FailedError, InputError
from serving.stores.files import write_whole

INTERRUPTED = 130  # as a shell counts a program that Ctrl-C ended


def run_compile(source: Source, output: Path) -> None:
    """Writes the compiled pipeline; an older file stays whole until the new one is complete."""
    if not output.parent.is_dir():
        raise InputError(f"--output {output}", expected="an existing folder", found="none")
    console = plain_terminal()
    package = compile_config(source.load(), console)
    write_whole(output, package.to_yaml().encode())
    console.print(f"{package.name}: {output}")


def run_submit(source: Source, access: Access, wish: Wish, patience: Patience) -> int:
    """Compiles, uploads and runs a pipeline, and tells how it went.

    Returns:
        0: the run succeeded, or is not waited for; 130: interrupted.

    Raises:
        InputError: something is refused.
        FailedError: the run or the server failed.
    """
    console = plain_terminal()
    run: api.V2beta1Run | None = None
    try:
        server, package, prepared = prepare(source, access, wish, console)
        run = _start(server, package.name, prepared)
        link = server.link("runs", run.run_id)
        console.print(f"run       {run.display_name}: {link}")
        if patience.wait:
            _wait(server, run, step_names(package.spec), patience, console)
    except KeyboardInterrupt:
        goes_on = run and f"left alone; run {run.display_name} goes on"
        console.print(goes_on or "stopped before a run was seen")
        return INTERRUPTED
    return 0


def _start(server: Server, pipeline: str, prepared: Mapping[str, Any]) -> api.V2beta1Run:
    # A name of its own, by which the run is found if the answer gets lost.
    name = f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    wanted, experiment = api.V2beta1Run(display_name=name, **prepared), prepared["experiment_id"]
    return server.make(
        lambda: server.find("run_service_list_runs", name, experiment_id=experiment),
        lambda: server.once("run_service_create_run", run=wanted),
    )


def _wait(
    server: Server, run: api.V2beta1Run, names: list[str], patience: Patience, console: Console
) -> None:
    try:
        ended = follow(server, run.run_id, names, console, patience)
    except (InputError, FailedError) as error:
        told = f"run {run.display_name} goes on, but is no longer watched: {error}"
        raise type(error)(told) from error
    if ended.state != SUCCEEDED:
        reason = failure(ended, names)
        link = server.link("runs", run.run_id)
        raise FailedError(f"run {run.display_name} {reason}; see {link}")
    console.print(f"run       {run.display_name} succeeded")
