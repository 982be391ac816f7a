"""Follows a run to its end: a line whenever a step's state changes."""

import time
from collections.abc import Mapping
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client.options import Patience
from pipelines.kubeflow.client.server import Server
from serving.errors import FailedError

WAITING, RUNNING, SUCCEEDED, FAILED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED"
ENDED = (SUCCEEDED, FAILED, "SKIPPED", "CANCELED")
DRIVER = "-driver"  # the pod that KFP starts before a step's own

Task: TypeAlias = api.V2beta1PipelineTaskDetail


def step_names(spec: Mapping[str, Any]) -> list[str]:
    """The tasks of a PipelineSpec, each after those that it waits for."""
    tasks = spec["root"]["dag"]["tasks"]
    waits_for = {name: tasks[name].get("dependentTasks", ()) for name in sorted(tasks)}
    return list(TopologicalSorter(waits_for).static_order())


def failure(run: api.V2beta1Run, names: list[str]) -> str:
    """Why a run did not succeed: its first failed step and the message."""
    own = run.error.message if run.error and run.error.message else ""
    for name, (state, task) in _states(run, names).items():
        if task and state == FAILED:
            reason = _message(task, _tasks(run)) or own or "see its log"
            return f"failed at {name}: {' '.join(reason.split())}"
    state = "was cancelled" if run.state == "CANCELED" else f"ended as {run.state}"
    return f"{state}: {' '.join(own.split())}" if own else state


def follow(
    server: Server, run_id: str, names: list[str], console: Console, patience: Patience
) -> api.V2beta1Run:
    """Waits until a run has ended, and tells of its steps.

    Returns:
        The run as it ended.

    Raises:
        FailedError: it is still running after that time, or the server no longer answers.
    """
    start, poll, limit = time.monotonic(), patience.poll_seconds, patience.wait_seconds
    before = dict.fromkeys(names, WAITING)
    while True:
        run = server.ask("run_service_get_run", run_id=run_id)
        for name, (state, task) in _states(run, names).items():
            if state != before[name]:
                before[name] = state
                console.print(f"  {name:<18} {state.lower()}{_took(state, task)}")
        if run.state in ENDED:
            return run
        if limit is not None and time.monotonic() - start + poll > limit:
            raise FailedError(f"still {str(run.state or WAITING).lower()} after {limit:g} s")
        time.sleep(poll)


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
