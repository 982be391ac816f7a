"""Why a request to Kubeflow Pipelines failed, whether that may pass, and the line for the user."""

import json
import os
from dataclasses import dataclass

import kfp_server_api as api
import urllib3

from pipelines.kubeflow.client.options import FORWARD, TOKEN_VARIABLE
from serving.errors import FailedError, InputError

PASSING = (429, 500, 502, 503, 504)
LONGEST_MESSAGE = 300
IN_A_POD = (
    "does that Service have pods, and does a NetworkPolicy let this pod call them?"
    " kubectl -n kubeflow get endpointslices,networkpolicies"
)


@dataclass(eq=False)
class ServerFault(Exception):
    """A request that failed.

    Attributes:
        error: for the user: InputError for what was asked or how, FailedError for the server.
        status: of HTTP; None: no answer came.
        passing: whether the same request may be answered later.
    """

    error: InputError | FailedError
    status: int | None = None
    passing: bool = False


def fault_of(error: Exception, host: str, token_source: str, *, reached: bool) -> ServerFault:
    """What the generated client's exception means; `reached`: the host has answered before."""
    if isinstance(error, api.ApiException) and error.status:
        return _refusal(error, host, token_source)
    if isinstance(error, urllib3.exceptions.HTTPError):
        return _silence(error, host, reached)
    told = f"{host} answers what is no answer of Kubeflow Pipelines: {error}"
    return ServerFault(FailedError(told))


def _refusal(error: api.ApiException, host: str, token_source: str) -> ServerFault:
    """An answer that tells of a failure of the server, or of a mistake in what was asked."""
    status, headers = int(error.status), error.headers or {}
    said = _message(error)
    if status in PASSING:
        return ServerFault(FailedError(f"{host} failed: {status} {said}"), status, passing=True)
    what, expected, found, todo = f"{host} refuses that", "", f"{status} {said}", ""
    if status == 401 and token_source:
        what = f"{host} refuses the token of {token_source}"
        what += ": it has expired or is for another audience"
        todo = "write a new one there"
    elif status == 401:
        what = f"{host} wants to know who asks"
        todo = f"pass --token-file FILE or --in-cluster, or set {TOKEN_VARIABLE}"
    elif status == 403:
        what, found = f"{host} does not allow that", said
        todo = "ask for the right to it, or pass another --namespace or token"
    elif 300 <= status < 400:
        what = f"--host {host}"
        found = f"a redirect to {headers.get('location', 'elsewhere').split('?')[0]}"
        todo = "pass --token-file FILE if that is a page to log in, else that address"
    elif status == 404 and "json" not in headers.get("content-type", ""):
        what, expected = f"--host {host}", "the address below which /apis/v2beta1 is"
    return ServerFault(InputError(what, expected=expected, found=found, todo=todo), status)


def _silence(error: urllib3.exceptions.HTTPError, host: str, reached: bool) -> ServerFault:
    """No answer: the host was never reached, or went silent."""
    reason = getattr(error, "reason", None) or error
    text = " ".join(str(reason).split()).rpartition("): ")[2]
    if isinstance(reason, urllib3.exceptions.SSLError):
        todo = "pass --tls-ca FILE with the authority that signed it, or http:// if it is no TLS"
        return ServerFault(InputError(f"TLS with {host}", found=text, todo=todo))
    unsent = urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
    if reached or not isinstance(reason, unsent):
        return ServerFault(FailedError(f"{host} does not answer: {text}"), passing=True)
    # In a pod nothing is forwarded: a Service has no pods there, or a policy stands between.
    todo = IN_A_POD if "KUBERNETES_SERVICE_HOST" in os.environ else f"is it forwarded? {FORWARD}"
    unreachable = InputError(f"no Kubeflow Pipelines at {host}", found=text, todo=todo)
    return ServerFault(unreachable, passing=True)


def _message(error: api.ApiException) -> str:
    """What the server says, in one line: its gateway, its upload handler or a proxy."""
    text = error.body or ""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict):
        text = str(body.get("message") or body.get("error_message") or body.get("error") or text)
    elif "<" in text:
        text = ""
    line = " ".join(text.split()) or str(error.reason or "")
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE - 3]}..."
