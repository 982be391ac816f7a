"""Follows a run to its end: a line whenever a step's state changes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Step:
    """Where a step is.

    Attributes:
        name: of the task.
        state: one of KFP's runtime states.
        seconds: that it took so far; None: not started.
        message: why it failed, as far as the server tells.
    """

    name: str
    state: str = WAITING
    seconds: float | None = None
    message: str = ""

    def __str__(self) -> str:
        took = self.state in ENDED and self.seconds is not None
        return f"{self.state.lower()}, {self.seconds:.0f} s" if took else self.state.lower()


def step_names(spec: Mapping[str, Any]) -> list[str]:
    """The tasks of a PipelineSpec, each after those that it waits for."""
    tasks = spec["root"]["dag"]["tasks"]
    waits_for = {name: tasks[name].get("dependentTasks", ()) for name in sorted(tasks)}
    return list(TopologicalSorter(waits_for).static_order())


def steps_of(run: api.V2beta1Run, names: list[str]) -> list[Step]:
    """The steps of a run, in order."""
    details = run.run_details.task_details if run.run_details else None
    tasks = sorted(details or [], key=lambda task: _seconds(task.create_time))
    # Of a step that was tried again, the last attempt stands.
    latest = {task.display_name: task for task in tasks}
    known = {key: task for task in tasks for key in (task.task_id, task.pod_name) if key}
    steps = []
    for name in names:
        if task := latest.get(name):
            state = task.state or WAITING
        elif task := latest.get(name + DRIVER):
            state = FAILED if task.state == FAILED else RUNNING
        steps.append(
            Step(name, state, _duration(task), _message(task, known)) if task else Step(name)
        )
    return steps


def failure(run: api.V2beta1Run, steps: list[Step]) -> str:
    """Why a run did not succeed: its first failed step and the message."""
    own = run.error.message if run.error and run.error.message else ""
    for step in steps:
        if step.state == FAILED:
            reason = step.message or own or "see its log"
            return f"failed at {step.name}: {' '.join(reason.split())}"
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
        for step in steps_of(run, names):
            if step.state != before[step.name]:
                before[step.name] = step.state
                console.print(f"  {step.name:<18} {step}")
        if run.state in ENDED:
            return run
        if limit is not None and time.monotonic() - start + poll > limit:
            raise FailedError(f"still {str(run.state or WAITING).lower()} after {limit:g} s")
        time.sleep(poll)


def _message(task: Task, known: Mapping[str, Task]) -> str:
    """The message of a failed task or of the first below it that has one."""
    queue = [task]
    for one in queue:  # which grows meanwhile
        errors = [one.error, *(status.error for status in reversed(one.state_history or []))]
        for error in errors:
            if error and error.message:
                return str(error.message)
        below = (known.get(child.task_id or child.pod_name) for child in one.child_tasks or [])
        queue += [child for child in below if child and child not in queue]
    return ""


def _duration(task: Task) -> float | None:
    start, end = _seconds(task.start_time), _seconds(task.end_time)
    return max((end or time.time()) - start, 0.0) if start else None


def _seconds(moment: datetime | None) -> float:
    """Since 1970; what is not set yet comes as None or as 1970 itself."""
    return moment.timestamp() if moment else 0.0
