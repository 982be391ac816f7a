"""How a Kubeflow Pipelines server is reached: its address, TLS, the token and how long to wait."""

from pathlib import Path
from urllib.parse import urlsplit

import kfp_server_api as api
import urllib3

from pipelines.kubeflow.client.auth import Token
from pipelines.kubeflow.client.faults import FORWARD
from pipelines.kubeflow.client.options import Access
from serving.errors import InputError

IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"


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


def configuration_of(host: str, token: Token | None, tls_ca: Path | None) -> api.Configuration:
    """The generated client's configuration.

    Raises:
        InputError: the file is none.
    """
    configuration = api.Configuration(host=host)
    # One request an attempt; redirects, as to a page to log in, are shown and not followed.
    configuration.retries = urllib3.Retry(0, raise_on_redirect=False, raise_on_status=False)
    if tls_ca:
        configuration.ssl_ca_cert = str(_pem(tls_ca.expanduser()))
    if token:
        configuration.api_key_prefix["authorization"] = "Bearer"
        configuration.api_key["authorization"] = token.text

        def refresh(current: api.Configuration) -> None:
            current.api_key["authorization"] = token.text

        configuration.refresh_api_key_hook = refresh
    return configuration


def _pem(path: Path) -> Path:
    try:
        content = path.read_bytes()
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise InputError(f"--tls-ca {path}", expected="a PEM file", found=found) from error
    if b"-----BEGIN CERTIFICATE" not in content:
        raise InputError(f"--tls-ca {path}", expected="a PEM file", found="something else")
    return path
