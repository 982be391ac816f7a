"""The commands `pawlens kubeflow schedule` and `schedules`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client import cron, schedule
from pipelines.kubeflow.client.options import Access, Source, Wish
from pipelines.kubeflow.client.server import Server
from pipelines.kubeflow.client.source import compile_config, plain_console, version_line
from pipelines.kubeflow.client.submit import Order
from serving.errors import InputError

if TYPE_CHECKING:
    from pipelines.kubeflow.compiler import Compiled


def run_schedule(source: Source, access: Access, wish: Wish, plan: schedule.Plan) -> None:
    """Compiles, uploads and schedules; see `schedule_package`."""
    config = source.load()
    console = plain_console()
    wish = wish.over(config)
    schedule_package(lambda: compile_config(config, console), access, wish, plan, console)


def schedule_package(
    package_of: Callable[[], "Compiled"],
    access: Access,
    wish: Wish,
    plan: schedule.Plan,
    console: Console,
) -> None:
    """Makes a schedule or changes the one of its name, and tells when it comes.

    Raises:
        InputError: something is refused.
        FailedError: the server failed.
    """
    times = cron.parse(plan.cron)
    server = Server(access).connect()
    package = package_of()
    plan = replace(plan, name=plan.name or package.name, order=Order.of(wish, package))
    outcome = schedule.ensure_schedule(server, package, plan)
    console.print(version_line(package.name, outcome.uploaded))
    link = server.link("recurringrun", outcome.schedule.recurring_run_id)
    console.print(f"schedule  {plan.name} {outcome.what}: {plan.cron}, {link}")
    if _paused(outcome.schedule):
        console.print(f"          paused: pawlens kubeflow schedules resume {plan.name}")
        return
    for moment in cron.next_times(times):
        console.print(f"next      {_moment(moment)}")


def run_list(access: Access, experiment: str) -> None:
    """A line for each schedule."""
    found = schedule.schedules(Server(access).connect(), experiment)
    console = plain_console()
    if not found:
        console.print("no schedules")
    for one in found:
        console.print("  ".join(_facts(one)))


def run_change(access: Access, name: str, experiment: str, what: str) -> None:
    """Does one of `schedule.CHANGES` to the schedule of a name or id."""
    server = Server(access).connect()
    found = schedule.find_schedule(server, name, experiment)
    done = schedule.change(server, found, what)
    plain_console().print(f"schedule  {found.display_name} {done}")


def _paused(one: api.V2beta1RecurringRun) -> bool:
    return one.status == "DISABLED" or (one.status is None and one.mode == "DISABLE")


def _facts(one: api.V2beta1RecurringRun) -> list[str]:
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
        return _moment(cron.next_times(cron.parse(expression), 1)[0])
    except InputError:
        return "unknown"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC")
