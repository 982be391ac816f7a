"""Runs that come by themselves: KFP's recurring runs, kept as they are asked for."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import kfp_server_api as api

from pipelines.kubeflow.client.resources import Uploaded, ensure_experiment, ensure_version
from pipelines.kubeflow.client.server import Server
from pipelines.kubeflow.client.submit import Order, reference
from serving.errors import InputError, check_one_of

if TYPE_CHECKING:
    from pipelines.kubeflow.compiler import Compiled

MADE_BY = "Scheduled by pawlens"
MADE, CHANGED, UNCHANGED = "made", "changed", "unchanged"
ENABLED = "ENABLED"
# What can be done with a schedule: KFP's word for it, and ours for when it is done.
CHANGES = {
    "pause": ("disable", "paused"),
    "resume": ("enable", "resumed"),
    "delete": ("delete", "deleted"),
}


@dataclass(frozen=True)
class Plan:
    """A schedule as it is asked for.

    Attributes:
        name: of the schedule.
        cron: six fields, as `cron.parse` takes them.
        order: what each run is to be.
        max_concurrency: runs at a time, 1 to 10; one that is due meanwhile waits.
        catch_up: whether runs that were missed, as while it was paused, are made up for.
    """

    name: str
    cron: str
    order: Order = field(default_factory=Order)
    max_concurrency: int = 1
    catch_up: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a plan.

    Attributes:
        what: MADE, CHANGED or UNCHANGED.
        schedule: as it is on the server.
        uploaded: the version that it runs.
    """

    what: str
    schedule: api.V2beta1RecurringRun
    uploaded: Uploaded


def ensure_schedule(server: Server, package: "Compiled", plan: Plan) -> Outcome:
    """Makes a schedule, or changes the one of that name if it differs.

    KFP has no way to change one: the new one is made before the old one is deleted, and takes over
    whether it is paused.

    Raises:
        InputError: it is refused, or one of that name was made elsewhere.
        FailedError: the server fails; then an old one stays.
    """
    uploaded = ensure_version(server, package)
    experiment_id = ensure_experiment(server, plan.order.experiment or package.name)
    wanted = _wanted(plan, uploaded, experiment_id)
    present = _named(server, plan.name, experiment_id)
    for one in present:
        if not (one.description or "").startswith(MADE_BY):
            raise InputError(
                f"schedule '{plan.name}' ({one.recurring_run_id})",
                expected="one that pawlens made",
                found="one made elsewhere",
                todo="pass another --name, or delete it there",
            )
    same = next((one for one in present if _essence(one) == _essence(wanted)), None)
    kept = same or _make(server, wanted, experiment_id, old=present)
    for one in present:
        if one is not same:
            change(server, one, "delete")
    what = UNCHANGED if same and len(present) == 1 else CHANGED if present else MADE
    return Outcome(what, kept, uploaded)


def schedules(server: Server, experiment: str = "") -> list[api.V2beta1RecurringRun]:
    """The schedules of a namespace or, if it is named, an experiment; by name."""
    scope: dict[str, Any] = server.scope()
    if experiment:
        scope = {"experiment_id": _experiment_id(server, experiment)}
    found = server.all(
        server.schedules.recurring_run_service_list_recurring_runs, "recurring_runs", **scope
    )
    return sorted(found, key=lambda one: (one.display_name or "", one.recurring_run_id))


def find_schedule(server: Server, name: str, experiment: str = "") -> api.V2beta1RecurringRun:
    """The schedule of a name or id.

    Raises:
        InputError: there is none, or more than one.
    """
    present = schedules(server, experiment)
    found = [one for one in present if name in (one.display_name, one.recurring_run_id)]
    if not found:
        names = dict.fromkeys(one.display_name for one in present if one.display_name)
        check_one_of("schedule", name, names)
    if len(found) > 1:
        ids = ", ".join(one.recurring_run_id for one in found)
        raise InputError(f"schedule '{name}'", expected="the id of one of them", found=ids)
    return found[0]


def change(server: Server, schedule: api.V2beta1RecurringRun, what: str) -> str:
    """Does one of CHANGES to a schedule; its runs stay.

    Returns:
        The word for what was done.
    """
    deed, done = CHANGES[what]
    send = server.remove if deed == "delete" else server.ask
    method = getattr(server.schedules, f"recurring_run_service_{deed}_recurring_run")
    send(method, recurring_run_id=schedule.recurring_run_id)
    return done


def _experiment_id(server: Server, name: str) -> str:
    found = server.all(
        server.experiments.experiment_service_list_experiments, "experiments", **server.scope()
    )
    ids = {one.display_name: str(one.experiment_id) for one in found}
    check_one_of("--experiment", name, ids)
    return ids[name]


def _named(server: Server, name: str, experiment_id: str) -> list[api.V2beta1RecurringRun]:
    method = server.schedules.recurring_run_service_list_recurring_runs
    return list(server.named(method, "recurring_runs", name, experiment_id=experiment_id))


def _wanted(plan: Plan, uploaded: Uploaded, experiment_id: str) -> api.V2beta1RecurringRun:
    # Servers fill in a root and an account of their own, so what was asked for is noted.
    asked = json.dumps([plan.order.pipeline_root, plan.order.service_account])
    note = hashlib.sha256(asked.encode()).hexdigest()[:12]
    return api.V2beta1RecurringRun(
        display_name=plan.name,
        description=f"{MADE_BY} ({note})",
        experiment_id=experiment_id,
        pipeline_version_reference=reference(uploaded),
        runtime_config=plan.order.runtime(),
        service_account=plan.order.service_account or None,
        max_concurrency=str(plan.max_concurrency),
        no_catchup=not plan.catch_up,
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=plan.cron)),
    )


def _essence(one: api.V2beta1RecurringRun) -> tuple[object, ...]:
    """What two schedules that do the same have in common."""
    trigger = one.trigger and one.trigger.cron_schedule
    version = one.pipeline_version_reference
    config = one.runtime_config
    return (
        trigger and trigger.cron,
        version and (version.pipeline_id, version.pipeline_version_id),
        (config and config.parameters) or {},
        int(one.max_concurrency or 0),
        bool(one.no_catchup),
        one.description,
    )


def _make(
    server: Server,
    wanted: api.V2beta1RecurringRun,
    experiment_id: str,
    old: list[api.V2beta1RecurringRun],
) -> api.V2beta1RecurringRun:
    paused = bool(old) and all(one.status != ENABLED for one in old)
    wanted.mode = "DISABLE" if paused else "ENABLE"
    before = {one.recurring_run_id for one in old}

    def find() -> api.V2beta1RecurringRun | None:
        present = _named(server, wanted.display_name, experiment_id)
        new = (one for one in present if one.recurring_run_id not in before)
        return next((one for one in new if _essence(one) == _essence(wanted)), None)

    return server.make(
        find,
        server.schedules.recurring_run_service_create_recurring_run,
        recurring_run=wanted,
    )
