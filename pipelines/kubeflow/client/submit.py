"""One run of a pipeline, followed to its end: the command `pawlens kubeflow submit`."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client.options import Access, Patience, Source, Wish
from pipelines.kubeflow.client.resources import prepare
from pipelines.kubeflow.client.server import Server
from pipelines.logs import plain_terminal
from serving.errors import FailedError, InputError

INTERRUPTED = 130  # as a shell counts a program that Ctrl-C ended
WAITING, RUNNING, SUCCEEDED, FAILED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED"
ENDED = (SUCCEEDED, FAILED, "SKIPPED", "CANCELED")
DRIVER = "-driver"  # the pod that KFP starts before a step's own

Task: TypeAlias = api.V2beta1PipelineTaskDetail


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
            _follow(server, run, _step_names(package.spec), console, patience)
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


def _follow(
    server: Server, run: api.V2beta1Run, names: list[str], console: Console, patience: Patience
) -> None:
    """Waits until a run has ended, with a line whenever a step's state changes."""
    start, poll, limit = time.monotonic(), patience.poll_seconds, patience.wait_seconds
    before = dict.fromkeys(names, WAITING)
    now = run
    try:
        while now.state not in ENDED:
            now = server.ask("run_service_get_run", run_id=run.run_id)
            for name, (state, task) in _states(now, names).items():
                if state != before[name]:
                    before[name] = state
                    console.print(f"  {name:<18} {state.lower()}{_took(state, task)}")
            if now.state not in ENDED:
                if limit is not None and time.monotonic() - start + poll > limit:
                    state = str(now.state or WAITING).lower()
                    raise FailedError(f"still {state} after {limit:g} s")
                time.sleep(poll)
    except (InputError, FailedError) as error:
        told = f"run {run.display_name} goes on, but is no longer watched: {error}"
        raise type(error)(told) from error
    if now.state != SUCCEEDED:
        link = server.link("runs", run.run_id)
        raise FailedError(f"run {run.display_name} {_failure(now, names)}; see {link}")
    console.print(f"run       {run.display_name} succeeded")


def _step_names(spec: Mapping[str, Any]) -> list[str]:
    """The tasks of a PipelineSpec, each after those that it waits for."""
    tasks = spec["root"]["dag"]["tasks"]
    waits_for = {name: tasks[name].get("dependentTasks", ()) for name in sorted(tasks)}
    return list(TopologicalSorter(waits_for).static_order())


def _failure(run: api.V2beta1Run, names: list[str]) -> str:
    """Why a run did not succeed: its first failed step and the message."""
    own = run.error.message if run.error and run.error.message else ""
    for name, (state, task) in _states(run, names).items():
        if task and state == FAILED:
            reason = _message(task, _tasks(run)) or own or "see its log"
            return f"failed at {name}: {' '.join(reason.split())}"
    state = "was cancelled" if run.state == "CANCELED" else f"ended as {run.state}"
    return f"{state}: {' '.join(own.split())}" if own else state


def _tasks(run: api.V2beta1Run) -> list[Task]:
    """A run's tasks as they came into being; steps, and what KFP has around and below them."""
    details = run.run_details.task_details if run.run_details else None
    return sorted(details or [], key=lambda task: _seconds(task.create_time))


def _states(run: api.V2beta1Run, names: list[str]) -> dict[str, tuple[str, Task | None]]:
    """By step, in order: one of KFP's runtime states, and the task that tells it, if any does."""
    # Of a step that was tried again, the last attempt stands.
    latest = {task.display_name: task for task in _tasks(run)}
    states: dict[str, tuple[str, Task | None]] = {}
    for name in names:
        states[name] = (WAITING, None)
        if task := latest.get(name):
            states[name] = (task.state or WAITING, task)
        elif task := latest.get(name + DRIVER):
            states[name] = (FAILED if task.state == FAILED else RUNNING, task)
    return states


def _message(task: Task, tasks: list[Task]) -> str:
    """The message of a failed task or of the first below it that has one."""
    known = {key: one for one in tasks for key in (one.task_id, one.pod_name) if key}
    queue = [task]
    for one in queue:  # which grows meanwhile
        errors = [one.error, *(status.error for status in reversed(one.state_history or []))]
        for error in errors:
            if error and error.message:
                return str(error.message)
        below = (known.get(child.task_id or child.pod_name) for child in one.child_tasks or [])
        queue += [child for child in below if child and child not in queue]
    return ""


def _took(state: str, task: Task | None) -> str:
    """How long a step took, once it has ended."""
    if task is None or state not in ENDED or not (start := _seconds(task.start_time)):
        return ""
    return f", {max((_seconds(task.end_time) or time.time()) - start, 0.0):.0f} s"


def _seconds(moment: datetime | None) -> float:
    """Since 1970; what is not set yet comes as None or as 1970 itself."""
    return moment.timestamp() if moment else 0.0
