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
ENDED = (SUCCEEDED, FAILED, "SKIPPED", "CANCELED", "CACHED")
UNKNOWN = "UNKNOWN"  # ours: a pod that died before it could tell
DRIVER = "-driver"  # the pod that KFP starts before a step's own

Json: TypeAlias = dict[str, Any]


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
    now: Json = {}
    try:
        while now.get("state") not in ENDED:
            now = server.ask("run_with_tasks", run_id=run.run_id)
            for name, (state, task) in _states(now, names).items():
                if state != before[name]:
                    before[name] = state
                    console.print(f"  {name:<18} {state.lower()}{_took(state, task)}")
            if now.get("state") not in ENDED:
                if limit is not None and time.monotonic() - start + poll > limit:
                    state = str(now.get("state") or WAITING).lower()
                    raise FailedError(f"still {state} after {limit:g} s")
                time.sleep(poll)
    except (InputError, FailedError) as error:
        told = f"run {run.display_name} goes on, but is no longer watched: {error}"
        raise type(error)(told) from error
    if now["state"] != SUCCEEDED:
        link = server.link("runs", run.run_id)
        raise FailedError(f"run {run.display_name} {_failure(now, names)}; see {link}")
    console.print(f"run       {run.display_name} succeeded")


def _step_names(spec: Mapping[str, Any]) -> list[str]:
    """The tasks of a PipelineSpec, each after those that it waits for."""
    tasks = spec["root"]["dag"]["tasks"]
    waits_for = {name: tasks[name].get("dependentTasks", ()) for name in sorted(tasks)}
    return list(TopologicalSorter(waits_for).static_order())


def _failure(run: Json, names: list[str]) -> str:
    """Why a run did not succeed: its first failed step and the message."""
    own = " ".join(_told(run).split())
    for how in (FAILED, UNKNOWN) if run["state"] == FAILED else (FAILED,):
        for name, (state, task) in _states(run, names).items():
            if state == how:
                reason = " ".join(_message(task, _tasks(run)).split()) or own or "see its log"
                where = "failed at" if state == FAILED else "failed, and nobody told the end of"
                return f"{where} {name}: {reason}"
    state = "was cancelled" if run["state"] == "CANCELED" else f"ended as {run['state']}"
    return f"{state}: {own}" if own else state


def _tasks(run: Json) -> list[Json]:
    """A run's tasks as they came into being; steps, and what KFP has around and below them."""
    found = run.get("tasks") or (run.get("run_details") or {}).get("task_details") or []
    return sorted(found, key=lambda task: _seconds(task.get("create_time")))


def _states(run: Json, names: list[str]) -> dict[str, tuple[str, Json]]:
    """By step, in order: one of KFP's states or UNKNOWN, and the task that tells it, or {}."""
    # Of a step that was tried again, the last attempt stands.
    latest = {task.get("name") or task.get("display_name"): task for task in _tasks(run)}
    states: dict[str, tuple[str, Json]] = {}
    for name in names:
        task = latest.get(name) or latest.get(name + DRIVER) or {}
        state = task.get("state") or WAITING
        if task and name not in latest and state != FAILED:
            state = RUNNING
        if state == RUNNING and run.get("state") in ENDED:
            state = UNKNOWN
        states[name] = state, task
    return states


def _message(task: Json, tasks: list[Json]) -> str:
    """The message of a failed task or of the first below it that has one."""
    known = {key: one for one in tasks for key in (one.get("task_id"), one.get("pod_name")) if key}
    queue = [task]
    for one in queue:  # which grows meanwhile
        told = map(_told, (one, *reversed(one.get("state_history") or [])))
        if message := next(filter(None, told), ""):
            return message
        children = one.get("child_tasks") or []
        below = (known.get(child.get("task_id") or child.get("pod_name")) for child in children)
        queue += [child for child in below if child and child not in queue]
    return ""


def _told(one: Json) -> str:
    """What a run, a task or a state of it says about its end; empty: nothing."""
    told = one.get("error") or one.get("status_metadata") or {}
    return str(told.get("message") or one.get("lifecycle_message") or "")


def _took(state: str, task: Json) -> str:
    """How long a step took, once it has ended."""
    start = _seconds(task.get("start_time", task.get("create_time")))
    if state not in ENDED or not start:
        return ""
    return f", {max((_seconds(task.get('end_time')) or time.time()) - start, 0.0):.0f} s"


def _seconds(moment: str | None) -> float:
    """Since 1970; what is not set yet comes as None or as 1970 itself."""
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
