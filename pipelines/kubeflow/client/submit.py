"""One run of a compiled pipeline, and the command `pawlens kubeflow submit`."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client.options import Access, Patience, Source, Wish
from pipelines.kubeflow.client.parameters import read_parameters
from pipelines.kubeflow.client.resources import Uploaded, ensure_experiment, ensure_version
from pipelines.kubeflow.client.server import Server
from pipelines.kubeflow.client.source import compile_config, plain_console, version_line
from pipelines.kubeflow.client.watch import SUCCEEDED, failure, follow, step_names, steps_of
from serving.errors import FailedError, InputError

if TYPE_CHECKING:
    from pipelines.kubeflow.compiler import Compiled

INTERRUPTED = 130  # as a shell counts a program that Ctrl-C ended


@dataclass(frozen=True)
class Order:
    """How a run is to be made; runs of schedules too.

    Attributes:
        experiment: that it belongs to; empty: one with the pipeline's name.
        parameters: by name, those that differ from the pipeline's defaults.
        pipeline_root: URL below which artifacts go; empty: the pipeline's or the installation's.
        service_account: of the pods; empty: the installation's.
    """

    experiment: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    pipeline_root: str = ""
    service_account: str = ""

    def runtime(self) -> api.V2beta1RuntimeConfig:
        """What KFP calls so. Whether steps are cached stays as compiled."""
        return api.V2beta1RuntimeConfig(
            parameters=self.parameters, pipeline_root=self.pipeline_root or None
        )

    @classmethod
    def of(cls, wish: Wish, package: "Compiled") -> "Order":
        """What is wished, checked against what the pipeline declares."""
        parameters = read_parameters(wish.parameters or [], package.parameters)
        return cls(wish.experiment, parameters, wish.pipeline_root, wish.service_account)


@dataclass(frozen=True)
class Submitted:
    """A run that was started.

    Attributes:
        run_id: KFP's.
        name: as shown.
        uploaded: the version that runs.
    """

    run_id: str
    name: str
    uploaded: Uploaded


def reference(uploaded: Uploaded) -> api.V2beta1PipelineVersionReference:
    """What a run or a schedule names its version with."""
    return api.V2beta1PipelineVersionReference(
        pipeline_id=uploaded.version.pipeline_id,
        pipeline_version_id=uploaded.version.pipeline_version_id,
    )


def submit(server: Server, package: "Compiled", order: Order) -> Submitted:
    """Starts a run, with all that it needs and that is not there yet.

    Raises:
        InputError: something of it is refused.
        FailedError: the server fails.
    """
    uploaded = ensure_version(server, package)
    experiment_id = ensure_experiment(server, order.experiment or package.name)
    # A name of its own, by which the run is found if the answer gets lost.
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{package.name}-{now}-{secrets.token_hex(2)}"

    def find() -> api.V2beta1Run | None:
        method = server.runs.run_service_list_runs
        return next(server.named(method, "runs", name, experiment_id=experiment_id), None)

    run = server.make(
        find,
        server.runs.run_service_create_run,
        run=api.V2beta1Run(
            display_name=name,
            experiment_id=experiment_id,
            pipeline_version_reference=reference(uploaded),
            runtime_config=order.runtime(),
            service_account=order.service_account or None,
        ),
    )
    return Submitted(str(run.run_id), name, uploaded)


def run_submit(source: Source, access: Access, wish: Wish, patience: Patience) -> int:
    """Compiles, uploads, starts a run and waits; see `submit_package`."""
    config = source.load()
    console = plain_console()
    wish = wish.over(config)
    return submit_package(lambda: compile_config(config, console), access, wish, patience, console)


def submit_package(
    package_of: Callable[[], "Compiled"],
    access: Access,
    wish: Wish,
    patience: Patience,
    console: Console,
) -> int:
    """Uploads and runs a pipeline, and tells how it went.

    Returns:
        0: the run succeeded, or is not waited for; 130: interrupted.

    Raises:
        InputError: something is refused.
        FailedError: the run or the server failed.
    """
    run: Submitted | None = None
    try:
        server = Server(access).connect()
        package = package_of()
        run = submit(server, package, Order.of(wish, package))
        link = server.link("runs", run.run_id)
        console.print(version_line(package.name, run.uploaded))
        console.print(f"run       {run.name}: {link}")
        if patience.wait:
            _wait(server, package, run, patience, console)
    except KeyboardInterrupt:
        goes_on = f"left alone; run {run.name} goes on" if run else "stopped before a run was seen"
        console.print(goes_on)
        return INTERRUPTED
    return 0


def _wait(
    server: Server, package: "Compiled", run: Submitted, patience: Patience, console: Console
) -> None:
    link = server.link("runs", run.run_id)
    names = step_names(package.spec)
    try:
        ended = follow(
            server,
            run.run_id,
            names,
            console,
            poll_seconds=patience.poll_seconds,
            timeout_seconds=patience.wait_seconds,
        )
    except (InputError, FailedError) as error:
        raise type(error)(f"run {run.name} goes on, but is no longer watched: {error}") from error
    if ended.state != SUCCEEDED:
        reason = failure(ended, steps_of(ended, names))
        raise FailedError(f"run {run.name} {reason}; see {link}")
    console.print(f"run       {run.name} succeeded")
