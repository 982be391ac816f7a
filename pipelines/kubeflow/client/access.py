"""How a Kubeflow Pipelines server is reached: its address, TLS, and who asks."""

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import kfp_server_api as api
import urllib3

from pipelines.kubeflow.client.options import Access
from serving.errors import InputError, os_errors

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
TOKEN_VARIABLE = "KF_PIPELINES_TOKEN"
FORWARD = (
    "kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80,"
    " and pass --host http://localhost:8080"
)


def host_of(access: Access) -> str:
    """The URL to ask.

    Raises:
        InputError: none is given, or it is none.
    """
    if access.host:
        return checked_url("--host", access.host)
    if access.in_cluster:
        return IN_CLUSTER_HOST
    raise InputError("--host", expected="the URL of Kubeflow Pipelines", found="none", todo=FORWARD)


def checked_url(flag: str, text: str) -> str:
    """A URL without a slash at its end.

    Raises:
        InputError: it is none, or has a password in it.
    """
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


def configuration_of(host: str, tls_ca: Path | None) -> api.Configuration:
    """The generated client's configuration.

    Raises:
        InputError: the file is none.
    """
    configuration = api.Configuration(host=host)
    # One request an attempt; redirects, as to a page to log in, are shown and not followed.
    configuration.retries = urllib3.Retry(0, raise_on_redirect=False, raise_on_status=False)
    configuration.api_key_prefix["authorization"] = "Bearer"
    if tls_ca:
        configuration.ssl_ca_cert = str(tls_ca.expanduser())
        with os_errors(
            f"--tls-ca {tls_ca}", expected="a PEM file"
        ):  # ssl's own errors are some, too
            ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    return configuration


@dataclass(frozen=True)
class Token:
    """A bearer token, read anew for each request: those of pods are renewed.

    Attributes:
        source: where it is from, for messages; the token itself is in none.
        path: the file that holds it; None: the environment does.
    """

    source: str
    path: Path | None = None

    def read(self) -> str:
        """The token of now.

        Raises:
            InputError: it is not there, or is none.
        """
        mounted = self.source.startswith("--in-cluster")
        todo = "mount a projected token for audience pipelines.kubeflow.org" if mounted else ""
        with os_errors(self.source, expected="a file with a bearer token", todo=todo):
            text = self.path.read_text("ascii", "replace") if self.path else os.environ[self.source]
        if not re.fullmatch(r"[!-~]+", text.strip()):
            found = "something else" if text.strip() else "nothing"
            raise InputError(self.source, expected="one bearer token", found=found)
        return text.strip()


def find_token(access: Access) -> Token | None:
    """The token to send: of a file, of the pod's service account, or of the environment.

    Returns:
        None: no authentication.

    Raises:
        InputError: both a file and that of the pod are asked for.
    """
    if access.token_file and access.in_cluster:
        raise InputError("--token-file", expected="no --in-cluster", found="both")
    if access.in_cluster:
        from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH

        path = os.environ.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH
        return Token(f"--in-cluster: {path}", Path(path))
    if access.token_file:
        return Token(f"--token-file {access.token_file}", access.token_file.expanduser())
    return Token(TOKEN_VARIABLE) if os.environ.get(TOKEN_VARIABLE) else None
