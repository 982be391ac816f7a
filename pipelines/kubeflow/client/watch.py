"""Follows a run to its end: the state of each step, as a live table or a line a change."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import kfp_server_api as api
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipelines.kubeflow.client.server import Server
from serving.errors import FailedError

WAITING, RUNNING, SUCCEEDED, FAILED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED"
ENDED = (SUCCEEDED, FAILED, "SKIPPED", "CANCELED")
DRIVER = "-driver"  # the pod that KFP starts before a step's own


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


def step_names(spec: Mapping[str, Any]) -> list[str]:
    """The tasks of a PipelineSpec, each after those that it waits for."""
    tasks = spec["root"]["dag"]["tasks"]
    waiting = {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()}
    ordered: list[str] = []
    while waiting:
        ready = sorted(name for name, needed in waiting.items() if not needed & waiting.keys())
        ordered += ready or sorted(waiting)
        for name in ready or list(waiting):
            del waiting[name]
    return ordered


def steps_of(run: api.V2beta1Run, names: list[str]) -> list[Step]:
    """The steps of a run, in order."""
    details = run.run_details.task_details if run.run_details else None
    tasks = sorted(details or [], key=lambda task: _seconds(task.create_time))
    # Of a step that was tried again, the last attempt stands.
    latest = {task.display_name: task for task in tasks}
    known = {key: task for task in tasks for key in (task.task_id, task.pod_name) if key}
    return [_step(name, latest, known) for name in names]


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
    server: Server,
    run_id: str,
    names: list[str],
    console: Console,
    *,
    poll_seconds: float,
    timeout_seconds: float | None,
) -> api.V2beta1Run:
    """Waits until a run has ended, and shows its steps.

    Returns:
        The run as it ended.

    Raises:
        FailedError: it is still running after that time, or the server no longer answers.
    """
    start = time.monotonic()
    with _display(console) as show:
        while True:
            run = server.ask(server.runs.run_service_get_run, run_id=run_id)
            show(steps_of(run, names))
            if run.state in ENDED:
                return run
            spent = time.monotonic() - start
            if timeout_seconds is not None and spent + poll_seconds > timeout_seconds:
                state = str(run.state or WAITING).lower()
                raise FailedError(f"still {state} after {timeout_seconds:g} s")
            time.sleep(poll_seconds)


def _step(
    name: str,
    latest: Mapping[str, api.V2beta1PipelineTaskDetail],
    known: Mapping[str, api.V2beta1PipelineTaskDetail],
) -> Step:
    if task := latest.get(name):
        return Step(name, task.state or WAITING, _duration(task), _message(task, known))
    if driver := latest.get(name + DRIVER):
        state = FAILED if driver.state == FAILED else RUNNING
        return Step(name, state, _duration(driver), _message(driver, known))
    return Step(name)


def _message(
    task: api.V2beta1PipelineTaskDetail, known: Mapping[str, api.V2beta1PipelineTaskDetail]
) -> str:
    """The message of a failed task or of the first below it that has one."""
    queue, seen = [task], set()
    while queue:
        one = queue.pop(0)
        errors = [one.error, *(status.error for status in reversed(one.state_history or []))]
        for error in errors:
            if error and error.message:
                return str(error.message)
        for child in one.child_tasks or []:
            key = child.task_id or child.pod_name
            if key in known and key not in seen:
                seen.add(key)
                queue.append(known[key])
    return ""


def _duration(task: api.V2beta1PipelineTaskDetail) -> float | None:
    start, end = _seconds(task.start_time), _seconds(task.end_time)
    if not start:
        return None
    return max((end or time.time()) - start, 0.0)


def _seconds(moment: datetime | None) -> float:
    """Since 1970; what is not set yet comes as None or as 1970 itself."""
    return moment.timestamp() if moment else 0.0


@contextlib.contextmanager
def _display(console: Console) -> Iterator[Any]:
    """What shows a list of steps: a table that is drawn anew, or lines where it is no terminal."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda steps: live.update(_table(steps), refresh=True)
        return
    before: dict[str, str] = {}

    def show(steps: list[Step]) -> None:
        for step in steps:
            if step.state != before.get(step.name, WAITING):
                before[step.name] = step.state
                console.print(f"  {step.name:<18} {_words(step)}")

    yield show


def _words(step: Step) -> str:
    took = step.state in ENDED and step.seconds is not None
    return f"{step.state.lower()}, {step.seconds:.0f} s" if took else step.state.lower()


COLOURS = {SUCCEEDED: "green", FAILED: "red", RUNNING: "cyan"}


def _table(steps: list[Step]) -> Table:
    table = Table()
    table.add_column("step")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for step in steps:
        seconds = "" if step.seconds is None else f"{step.seconds:.0f}"
        table.add_row(step.name, step.state.lower(), seconds, style=COLOURS.get(step.state, "dim"))
    return table
