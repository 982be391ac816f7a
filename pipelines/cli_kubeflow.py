"""The commands for a cluster: their flags, and nothing heavy until one is called."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.kubeflow.client.access import Access

kubeflow_app = typer.Typer(
    help="Compile, submit and schedule pipelines on Kubeflow Pipelines.", no_args_is_help=True
)
schedules_app = typer.Typer(help="Schedules that are there.", no_args_is_help=True)
kubeflow_app.add_typer(schedules_app, name="schedules")

Config = Annotated[str, typer.Argument(help="A shipped name or the path of a YAML file.")]
Data = Annotated[str | None, typer.Option(help="Folder with the data, in the containers.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="kubeflow.image=NAME:TAG")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Of the run: data, epochs, image."),
]
Experiment = Annotated[str, typer.Option(help="Default: one with the pipeline's name.")]
AnyExperiment = Annotated[str, typer.Option(help="Only those of this experiment.")]
PipelineRoot = Annotated[
    str, typer.Option(metavar="URL", help="Where artifacts go; default: as compiled.")
]
ServiceAccount = Annotated[str, typer.Option(help="Of the pods; default: as configured.")]
ScheduleName = Annotated[str, typer.Argument(metavar="NAME", help="Of the schedule, or its id.")]

Host = Annotated[
    str,
    typer.Option(metavar="URL", envvar="KF_PIPELINES_ENDPOINT", help="Of Kubeflow Pipelines."),
]
UiHost = Annotated[
    str,
    typer.Option(
        metavar="URL", envvar="KF_PIPELINES_UI_ENDPOINT", help="For links; default: --host."
    ),
]
Namespace = Annotated[str, typer.Option(help="Of the user, where there are several.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="With a bearer token; or set KF_PIPELINES_TOKEN."),
]
InCluster = Annotated[
    bool, typer.Option("--in-cluster", help="Send the token of this pod's service account.")
]
TlsCa = Annotated[Path | None, typer.Option(help="PEM file of the authorities to trust.")]
RequestTimeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one answer.")]
Retry = Annotated[float, typer.Option(min=0.0, help="Seconds that a failing request is repeated.")]


def _access(
    *,
    host: Host = "",
    ui_host: UiHost = "",
    namespace: Namespace = "",
    token_file: TokenFile = None,
    in_cluster: InCluster = False,
    tls_ca: TlsCa = None,
    request_timeout: RequestTimeout = 30.0,
    retry: Retry = 60.0,
) -> "Access":
    """What the flags that all commands with a server share stand for."""
    from pipelines.kubeflow.client.access import Access

    return Access(
        host=host,
        ui_host=ui_host,
        namespace=namespace,
        token_file=token_file,
        in_cluster=in_cluster,
        tls_ca=tls_ca,
        timeout_seconds=request_timeout,
        patience_seconds=retry,
    )


def _with_access(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the flags of `_access`, which reach it as one argument."""
    shared = inspect.signature(_access).parameters
    own = dict(inspect.signature(command).parameters)
    del own["access"]

    def run(**flags: Any) -> None:
        access = _access(**{name: flags.pop(name) for name in shared})
        command(**flags, access=access)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    # What Typer reads the flags from.
    run.__signature__ = inspect.Signature([*own.values(), *shared.values()])  # type: ignore[attr-defined]
    return run


@kubeflow_app.command("compile")
def compile_command(
    config: Config,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "pipeline.yaml"
    ),
    data: Data = None,
    sets: Sets = None,
) -> None:
    """Write a pipeline as Kubeflow Pipelines takes it."""
    from pipelines.kubeflow.client.source import Source, run_compile

    run_compile(Source(config, data, sets or []), output)


@kubeflow_app.command()
@_with_access
def submit(
    config: Config,
    *,
    data: Data = None,
    sets: Sets = None,
    param: Parameters = None,
    experiment: Experiment = "",
    pipeline_root: PipelineRoot = "",
    service_account: ServiceAccount = "",
    wait: Annotated[bool, typer.Option(help="Follow the run to its end.")] = True,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds to wait; the run goes on after it.")
    ] = None,
    poll: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 5.0,
    access: "Access",
) -> None:
    """Run a pipeline on a cluster: 0 if it succeeds, 1 if it fails, 130 after Ctrl-C."""
    from pipelines.kubeflow.client.source import Source, Wish
    from pipelines.kubeflow.client.submit_command import Patience, run_submit

    status = run_submit(
        Source(config, data, sets or []),
        access,
        Wish(experiment, param or [], pipeline_root, service_account),
        Patience(wait, timeout, poll),
    )
    raise typer.Exit(status)


@kubeflow_app.command()
@_with_access
def schedule(
    config: Config,
    *,
    cron: Annotated[
        str,
        typer.Option(help="Six fields, seconds first, UTC: '0 0 3 * * *' is daily at 03:00."),
    ],
    name: Annotated[str, typer.Option(help="Default: the pipeline's.")] = "",
    data: Data = None,
    sets: Sets = None,
    param: Parameters = None,
    experiment: Experiment = "",
    pipeline_root: PipelineRoot = "",
    service_account: ServiceAccount = "",
    max_concurrency: Annotated[int, typer.Option(min=1, max=10, help="Runs at a time.")] = 1,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Make up for runs that were missed.")
    ] = False,
    access: "Access",
) -> None:
    """Run a pipeline again and again; the same schedule twice changes nothing."""
    from pipelines.kubeflow.client.schedule import Plan
    from pipelines.kubeflow.client.schedule_commands import run_schedule
    from pipelines.kubeflow.client.source import Source, Wish

    run_schedule(
        Source(config, data, sets or []),
        access,
        Wish(experiment, param or [], pipeline_root, service_account),
        Plan(name, cron, max_concurrency=max_concurrency, catch_up=catch_up),
    )


@schedules_app.command("list")
@_with_access
def list_schedules(experiment: AnyExperiment = "", *, access: "Access") -> None:
    """Tell what is scheduled, and when it comes next."""
    from pipelines.kubeflow.client.schedule_commands import run_list

    run_list(access, experiment)


@schedules_app.command()
@_with_access
def pause(name: ScheduleName, experiment: AnyExperiment = "", *, access: "Access") -> None:
    """No more runs until it is resumed."""
    from pipelines.kubeflow.client import schedule as kept
    from pipelines.kubeflow.client.schedule_commands import run_change

    run_change(access, name, experiment, kept.pause, "paused")


@schedules_app.command()
@_with_access
def resume(name: ScheduleName, experiment: AnyExperiment = "", *, access: "Access") -> None:
    """Go on with a paused schedule."""
    from pipelines.kubeflow.client import schedule as kept
    from pipelines.kubeflow.client.schedule_commands import run_change

    run_change(access, name, experiment, kept.resume, "resumed")


@schedules_app.command()
@_with_access
def delete(name: ScheduleName, experiment: AnyExperiment = "", *, access: "Access") -> None:
    """End a schedule; its runs stay."""
    from pipelines.kubeflow.client import schedule as kept
    from pipelines.kubeflow.client.schedule_commands import run_change

    run_change(access, name, experiment, kept.delete, "deleted")
