"""The commands for a cluster; nothing heavy is imported until one is called."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_flags import with_flags
from pipelines.kubeflow.client.options import Access, Patience, Plan, Source, Wish

kubeflow_app = typer.Typer(
    help="Compile, submit and schedule pipelines on Kubeflow Pipelines.", no_args_is_help=True
)
schedules_app = typer.Typer(help="Schedules that are there.", no_args_is_help=True)
kubeflow_app.add_typer(schedules_app, name="schedules")

AnyExperiment = Annotated[str, typer.Option(help="Only those of this experiment.")]
ScheduleName = Annotated[str, typer.Argument(metavar="NAME", help="Of the schedule, or its id.")]


@kubeflow_app.command("compile")
@with_flags(source=Source)
def compile_command(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "pipeline.yaml"
    ),
) -> None:
    """Write a pipeline as Kubeflow Pipelines takes it."""
    from pipelines.kubeflow.client.resources import run_compile

    run_compile(source, output)


@kubeflow_app.command()
@with_flags(source=Source, wish=Wish, patience=Patience, access=Access)
def submit(source: Source, wish: Wish, patience: Patience, access: Access) -> None:
    """Run a pipeline on a cluster: 0 if it succeeds, 1 if it fails, 130 after Ctrl-C."""
    from pipelines.kubeflow.client.submit import run_submit

    raise typer.Exit(run_submit(source, access, wish, patience))


@kubeflow_app.command()
@with_flags(source=Source, wish=Wish, plan=Plan, access=Access)
def schedule(source: Source, wish: Wish, plan: Plan, access: Access) -> None:
    """Run a pipeline again and again; the same schedule twice changes nothing."""
    from pipelines.kubeflow.client.schedule import run_schedule

    run_schedule(source, access, wish, plan)


@schedules_app.command("list")
@with_flags(access=Access)
def list_schedules(access: Access, experiment: AnyExperiment = "") -> None:
    """Tell what is scheduled, and when it comes next."""
    from pipelines.kubeflow.client.schedule import run_list

    run_list(access, experiment)


def _changing(what: str, text: str) -> None:
    """Makes a command that changes a schedule."""

    @schedules_app.command(what, help=text)
    @with_flags(access=Access)
    def command(access: Access, name: ScheduleName, experiment: AnyExperiment = "") -> None:
        from pipelines.kubeflow.client.schedule import run_change

        run_change(access, name, experiment, what)


_changing("pause", "No more runs until it is resumed.")
_changing("resume", "Go on with a paused schedule.")
_changing("delete", "End a schedule; its runs stay.")
