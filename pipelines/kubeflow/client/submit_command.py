"""The command `pawlens kubeflow submit`: from flags to what is printed and the exit status."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from pipelines.kubeflow.client.access import Access
from pipelines.kubeflow.client.resources import Package
from pipelines.kubeflow.client.server import Server
from pipelines.kubeflow.client.source import Source, Wish, compile_config, version_line
from pipelines.kubeflow.client.submit import Submitted, submit
from pipelines.kubeflow.client.watch import SUCCEEDED, failure, follow, step_names, steps_of
from serving.errors import FailedError, InputError

INTERRUPTED = 130  # as a shell counts a program that Ctrl-C ended


@dataclass(frozen=True)
class Patience:
    """How a run is waited for.

    Attributes:
        wait: whether it is.
        timeout_seconds: how long; None: to its end.
        poll_seconds: pause between two looks.
    """

    wait: bool = True
    timeout_seconds: float | None = None
    poll_seconds: float = 5.0


def run_submit(source: Source, access: Access, wish: Wish, patience: Patience) -> int:
    """Compiles, uploads, starts a run and waits; see `submit_package`."""
    config = source.load()
    console = Console()
    wish = wish.over(config)
    return submit_package(lambda: compile_config(config, console), access, wish, patience, console)


def submit_package(
    package_of: Callable[[], Package],
    access: Access,
    wish: Wish,
    patience: Patience,
    console: Console,
) -> int:
    """Uploads and runs a pipeline, and tells how it went.

    Args:
        package_of: gives the pipeline; called once the server has answered.
        access: of the server.
        wish: what the run is to be like.
        patience: how it is waited for.
        console: what is told.

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
        run = submit(server, package, wish.order(package))
        link = server.link("runs", run.run_id)
        console.print(version_line(package.name, run.uploaded), soft_wrap=True, highlight=False)
        console.print(f"run       {run.name}: {link}", soft_wrap=True, highlight=False)
        if patience.wait:
            _wait(server, package, run, patience, console)
    except KeyboardInterrupt:
        goes_on = f"left alone; run {run.name} goes on" if run else "stopped before a run was seen"
        console.print(goes_on, soft_wrap=True, highlight=False)
        return INTERRUPTED
    return 0


def _wait(
    server: Server, package: Package, run: Submitted, patience: Patience, console: Console
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
            timeout_seconds=patience.timeout_seconds,
        )
    except (InputError, FailedError) as error:
        raise type(error)(f"run {run.name} goes on, but is no longer watched: {error}") from error
    if ended.state != SUCCEEDED:
        reason = failure(ended, steps_of(ended, names))
        raise FailedError(f"run {run.name} {reason}; see {link}")
    console.print(f"run       {run.name} succeeded", soft_wrap=True, highlight=False)
