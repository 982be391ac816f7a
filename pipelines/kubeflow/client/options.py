"""What the commands for a cluster are asked for: each class is a group of flags."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.config import PipelineConfig


@dataclass(frozen=True)
class Source:
    """What is compiled."""

    config: Annotated[str, typer.Argument(help="A shipped name or the path of a YAML file.")]
    data: Annotated[str | None, typer.Option(help="Folder with the data, in the containers.")] = (
        None
    )
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="kubeflow.image=NAME:TAG")
    ] = None

    def load(self) -> "PipelineConfig":
        """The configuration."""
        from pipelines.config import load_config

        return load_config(self.config, self.sets or [], self.data)


@dataclass(frozen=True)
class Wish:
    """What runs are to be like."""

    experiment: Annotated[str, typer.Option(help="Default: one with the pipeline's name.")] = ""
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="Of the run: data, epochs, image."),
    ] = None
    pipeline_root: Annotated[
        str, typer.Option(metavar="URL", help="Where artifacts go; default: as compiled.")
    ] = ""
    service_account: Annotated[str, typer.Option(help="Of the pods; default: as configured.")] = ""


@dataclass(frozen=True)
class Plan:
    """When runs come by themselves."""

    cron: Annotated[
        str, typer.Option(help="Six fields, seconds first, UTC: '0 0 3 * * *' is daily at 03:00.")
    ]
    name: Annotated[str, typer.Option(help="Default: the pipeline's.")] = ""
    max_concurrency: Annotated[int, typer.Option(min=1, max=10, help="Runs at a time.")] = 1
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Make up for runs that were missed.")
    ] = False


@dataclass(frozen=True)
class Patience:
    """How a run is waited for."""

    wait: Annotated[bool, typer.Option(help="Follow the run to its end.")] = True
    wait_seconds: Annotated[
        float | None,
        typer.Option("--timeout", min=0.0, help="Seconds to wait; the run goes on after it."),
    ] = None
    poll_seconds: Annotated[
        float, typer.Option("--poll", min=0.1, help="Seconds between two looks.")
    ] = 5.0


@dataclass(frozen=True)
class Access:
    """How a server is reached."""

    host: Annotated[
        str,
        typer.Option(metavar="URL", envvar="KF_PIPELINES_ENDPOINT", help="Of Kubeflow Pipelines."),
    ] = ""
    ui_host: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="KF_PIPELINES_UI_ENDPOINT", help="For links; default: --host."
        ),
    ] = ""
    namespace: Annotated[str, typer.Option(help="Of the user, where there are several.")] = ""
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With a bearer token; or set KF_PIPELINES_TOKEN."),
    ] = None
    in_cluster: Annotated[
        bool, typer.Option("--in-cluster", help="Send the token of this pod's service account.")
    ] = False
    tls_ca: Annotated[Path | None, typer.Option(help="PEM file of the authorities to trust.")] = (
        None
    )
    timeout_seconds: Annotated[
        float, typer.Option("--request-timeout", min=0.1, help="Seconds for one answer.")
    ] = 30.0
    patience_seconds: Annotated[
        float, typer.Option("--retry", min=0.0, help="Seconds that a failing request is repeated.")
    ] = 60.0
