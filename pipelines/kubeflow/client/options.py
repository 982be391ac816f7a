"""What the commands for a cluster are asked for: each class is a group of flags."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from serving.errors import InputError, os_errors

if TYPE_CHECKING:
    from pipelines.config import PipelineConfig

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
TOKEN_VARIABLE = "KF_PIPELINES_TOKEN"
FORWARD = (
    "kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80,"
    " and pass --host http://localhost:8080"
)


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
    """How a server is reached, and who asks."""

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

    def url(self) -> str:
        """The URL to ask.

        Raises:
            InputError: none is given, or it is none.
        """
        if self.host or self.in_cluster:
            return _checked_url("--host", self.host or IN_CLUSTER_HOST)
        todo = "pass --in-cluster" if "KUBERNETES_SERVICE_HOST" in os.environ else FORWARD
        expected = "the URL of Kubeflow Pipelines"
        raise InputError("--host", expected=expected, found="none", todo=todo)

    def ui_url(self) -> str:
        """That of the pages for people; errors as of `url`."""
        return _checked_url("--ui-host", self.ui_host) if self.ui_host else self.url()

    def token(self) -> tuple[str, str]:
        """The bearer token of now, to be read anew for each request: those of pods are renewed.

        Returns:
            Where it is from, for messages, and the token, which is in none; both empty: no
            authentication.

        Raises:
            InputError: it is not there or is none, or two are asked for.
        """
        path, source, todo = self.token_file, f"--token-file {self.token_file}", ""
        if self.in_cluster:
            if path:
                raise InputError("--token-file", expected="no --in-cluster", found="both")
            from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH

            path = Path(os.environ.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH)
            source = f"--in-cluster: {path}"
            todo = "mount a projected token for audience pipelines.kubeflow.org"
        elif not path:
            source = TOKEN_VARIABLE
            if not os.environ.get(source):
                return "", ""
        with os_errors(source, expected="a file with a bearer token", todo=todo):
            text = path.expanduser().read_text("ascii", "replace") if path else os.environ[source]
        if not re.fullmatch(r"[!-~]+", text.strip()):
            found = "something else" if text.strip() else "nothing"
            raise InputError(source, expected="one bearer token", found=found)
        return source, text.strip()


def _checked_url(flag: str, text: str) -> str:
    """A URL without a slash at its end, and without a password."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(mark in text for mark in "?# "):
        todo = f"did you mean 'http://{text}'?" if text and "://" not in text else ""
        raise InputError(flag, expected="http://... or https://...", found=f"'{text}'", todo=todo)
    if parts.username or parts.password:
        raise InputError(flag, expected="no user or password in it", found="one")
    return text.rstrip("/")
