"""Runs that come by themselves: the commands `pawlens kubeflow schedule` and `schedules`.

They are KFP's recurring runs, kept as they are asked for.
"""

import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import kfp_server_api as api

from pipelines.kubeflow.client.cron import next_times
from pipelines.kubeflow.client.faults import ServerFault
from pipelines.kubeflow.client.options import Access, Plan, Source, Wish
from pipelines.kubeflow.client.resources import prepare
from pipelines.kubeflow.client.server import Server
from pipelines.logs import plain_terminal
from serving.errors import InputError, check_one_of

MADE_BY = "Scheduled by pawlens"
ENABLED = "ENABLED"
LIST = "recurring_run_service_list_recurring_runs"
# What can be done with a schedule: KFP's word for it, and ours for when it is done.
CHANGES = {
    "pause": ("disable", "paused"),
    "resume": ("enable", "resumed"),
    "delete": ("delete", "deleted"),
}

Schedule: TypeAlias = api.V2beta1RecurringRun


def run_schedule(source: Source, access: Access, wish: Wish, plan: Plan) -> None:
    """Compiles and uploads a pipeline, makes a schedule or changes the one of its name.

    Raises:
        InputError: something is refused, or a schedule of that name was made elsewhere.
        FailedError: the server failed; then an old one stays.
    """
    next_times(plan.cron)
    console = plain_terminal()
    server, package, prepared = prepare(source, access, wish, console)
    wanted = _wanted(plan, plan.name or package.name, prepared)
    what, schedule = _ensure(server, wanted)
    link = server.link("recurringrun", schedule.recurring_run_id)
    console.print(f"schedule  {wanted.display_name} {what}: {plan.cron}, {link}")
    if _paused(schedule):
        console.print(f"          paused: pawlens kubeflow schedules resume {wanted.display_name}")
        return
    for moment in next_times(plan.cron):
        console.print(f"next      {_text(moment)}")


def run_list(access: Access, experiment: str) -> None:
    """A line for each schedule."""
    found = _schedules(Server(access).connect(), experiment)
    console = plain_terminal()
    if not found:
        console.print("no schedules")
    for one in found:
        console.print("  ".join(_facts(one)))


def run_change(access: Access, name: str, experiment: str, what: str) -> None:
    """Does one of CHANGES to the schedule of a name or id; its runs stay."""
    server = Server(access).connect()
    present = _schedules(server, experiment)
    found = [one for one in present if name in (one.display_name, one.recurring_run_id)]
    if not found:
        names = dict.fromkeys(one.display_name for one in present if one.display_name)
        check_one_of("schedule", name, names)
    if len(found) > 1:
        ids = ", ".join(one.recurring_run_id for one in found)
        raise InputError(f"schedule '{name}'", expected="the id of one of them", found=ids)
    deed, done = CHANGES[what]
    _change(server, found[0], deed)
    plain_terminal().print(f"schedule  {found[0].display_name} {done}")


def _change(server: Server, schedule: Schedule, deed: str) -> None:
    def send() -> None:
        method = f"recurring_run_service_{deed}_recurring_run"
        try:
            server.once(method, recurring_run_id=schedule.recurring_run_id)
        except ServerFault as fault:
            if deed != "delete" or fault.status != 404:  # which is gone already
                raise

    server.make(lambda: None, send)


def _schedules(server: Server, experiment: str) -> list[Schedule]:
    """The schedules of a namespace or, if it is named, an experiment; by name."""
    scope: dict[str, Any] = server.scope
    if experiment:
        listed = server.all("experiment_service_list_experiments", **server.scope)
        ids = {one.display_name: one.experiment_id for one in listed}
        check_one_of("--experiment", experiment, ids)
        scope = {"experiment_id": ids[experiment]}
    found = server.all(LIST, **scope)
    return sorted(found, key=lambda one: (one.display_name or "", one.recurring_run_id))


def _wanted(plan: Plan, name: str, prepared: dict[str, Any]) -> Schedule:
    """The schedule that is asked for; its description tells it from every other one.

    KFP changes none that is there, and fills in what was left to it; so a digest of what was asked
    for is what two schedules that do the same have in common.
    """
    wanted = Schedule(
        display_name=name,
        max_concurrency=str(plan.max_concurrency),
        no_catchup=not plan.catch_up,
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=plan.cron)),
        **prepared,
    )
    asked = json.dumps(api.ApiClient().sanitize_for_serialization(wanted), sort_keys=True)
    wanted.description = f"{MADE_BY} ({hashlib.sha256(asked.encode()).hexdigest()[:12]})"
    return wanted


def _ensure(server: Server, wanted: Schedule) -> tuple[str, Schedule]:
    """What was done, and the schedule as it is on the server.

    KFP has no way to change one: the new one is made before the old one is deleted, and takes over
    whether it is paused.
    """

    def send() -> Schedule:
        paused = present and all(one.status != ENABLED for one in present)
        wanted.mode = "DISABLE" if paused else "ENABLE"
        return server.once("recurring_run_service_create_recurring_run", recurring_run=wanted)

    named = partial(server.all, LIST, wanted.display_name, experiment_id=wanted.experiment_id)
    present = list(named())
    for one in present:
        if not (one.description or "").startswith(MADE_BY):
            raise InputError(
                f"schedule '{wanted.display_name}' ({one.recurring_run_id})",
                expected="one that pawlens made",
                found="one made elsewhere",
                todo="pass another --name, or delete it there",
            )
    kept = server.make(
        lambda: next((one for one in named() if one.description == wanted.description), None), send
    )
    if [one.recurring_run_id for one in present] == [kept.recurring_run_id]:
        return "unchanged", kept
    for one in present:
        if one.recurring_run_id != kept.recurring_run_id:
            _change(server, one, "delete")
    return "changed" if present else "made", kept


def _paused(one: Schedule) -> bool:
    return one.status == "DISABLED" or (one.status is None and one.mode == "DISABLE")


def _facts(one: Schedule) -> list[str]:
    """What a line of the list tells."""
    trigger = one.trigger and one.trigger.cron_schedule
    expression = trigger.cron if trigger else "not by cron"
    version = one.pipeline_version_reference
    return [
        f"{one.display_name:<24}",
        "paused " if _paused(one) else "enabled",
        expression,
        f"next {_next(expression)}" if trigger and not _paused(one) else "",
        f"version {(version and version.pipeline_version_id) or 'the newest'}",
        f"at most {one.max_concurrency or 1} at a time",
        "no catch-up" if one.no_catchup else "catch-up",
        one.recurring_run_id,
    ]


def _next(expression: str) -> str:
    try:
        return _text(next_times(expression, 1)[0])
    except InputError:
        return "unknown"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC")
