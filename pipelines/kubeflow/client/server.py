"""A Kubeflow Pipelines API server: how it is reached, what is asked again, and what went wrong.

The requests are those of KFP's generated client (`kfp_server_api`). `kfp.Client`, which wraps it,
prints, reads and writes ~/.config/kfp, and waits without end; so it is not used.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import kfp_server_api as api
import urllib3

from pipelines.kubeflow.client.access import checked_url, configuration_of, host_of
from pipelines.kubeflow.client.auth import find_token
from pipelines.kubeflow.client.faults import ServerFault, fault_of
from pipelines.kubeflow.client.options import Access
from serving.errors import InputError

T = TypeVar("T")

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
CONNECT_SECONDS = 5.0
FIRST_CONTACT_SECONDS = 3.0  # that a host which never answered is asked again
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 8.0
PAGE = 100


class Server:
    """See `Access`; `connect` first.

    Attributes:
        host: its URL.
        namespace: see `Access`; None: none.
        pipelines, uploads, experiments, runs, schedules: KFP's generated services, whose methods
            go to `ask` and `make`.
    """

    def __init__(self, access: Access):
        self.host = host_of(access)
        self._ui_host = checked_url("--ui-host", access.ui_host) if access.ui_host else self.host
        self.namespace = access.namespace or None
        self._timeout = (min(CONNECT_SECONDS, access.timeout_seconds), access.timeout_seconds)
        self._patience = access.patience_seconds
        self._token = find_token(access.token_file, access.in_cluster)
        self._reached = False
        self._client = api.ApiClient(configuration_of(self.host, self._token, access.tls_ca))
        self.pipelines = api.PipelineServiceApi(self._client)
        self.uploads = api.PipelineUploadServiceApi(self._client)
        self.experiments = api.ExperimentServiceApi(self._client)
        self.runs = api.RunServiceApi(self._client)
        self.schedules = api.RecurringRunServiceApi(self._client)

    def connect(self) -> "Server":
        """Sees that there is a server, that it takes the token, and whose namespace is meant.

        Raises:
            InputError: no server is there, the token is refused, or a namespace is missing.
            FailedError: it does not answer as it should.
        """
        health = self.ask(api.HealthzServiceApi(self._client).healthz_service_get_healthz)
        if health.multi_user and not self.namespace:
            if not POD_NAMESPACE.is_file():
                raise InputError(
                    f"{self.host} has a namespace for each user",
                    expected="--namespace NAME",
                    found="none",
                )
            self.namespace = POD_NAMESPACE.read_text(encoding="utf-8").strip()
        return self

    def link(self, kind: str, name: str) -> str:
        """URL of a page: `runs` or `recurringrun`, and an id."""
        return f"{self._ui_host}/#/{kind}/details/{name}"

    def ask(self, method: Callable[..., T], **arguments: Any) -> T:
        """Sends a request that does no harm when it comes twice, until it is answered.

        Raises:
            InputError, FailedError: see `ServerFault`.
        """
        return self.make(lambda: None, method, **arguments)

    def make(self, find: Callable[[], T | None], method: Callable[..., T], **arguments: Any) -> T:
        """Makes something once: after a failure that tells nothing, looks before it tries again.

        Args:
            find: what was made, if it is there.
            method, arguments: make it.

        Raises:
            InputError, FailedError: see `ServerFault`.
        """
        for left in self.attempts():
            try:
                return self.once(method, **arguments)
            except ServerFault as fault:
                found = find() if fault.perhaps_done else None
                if found is not None:
                    return found
                if not fault.passing or not left():
                    raise fault.error from fault
        raise AssertionError("unreachable")

    def remove(self, method: Callable[..., object], **arguments: Any) -> None:
        """Deletes something; that it is gone already is no failure."""
        for left in self.attempts():
            try:
                self.once(method, **arguments)
                return
            except ServerFault as fault:
                if fault.status == 404:
                    return
                if not fault.passing or not left():
                    raise fault.error from fault

    def once(self, method: Callable[..., T], **arguments: Any) -> T:
        """Sends one request; a second one if the token has expired and there is a new one.

        Raises:
            ServerFault: it failed.
        """
        try:
            return self._send(method, arguments)
        except ServerFault as fault:
            if fault.status != 401 or self._token is None or not self._token.reread():
                raise
        return self._send(method, arguments)

    def attempts(self) -> Iterator[Callable[[], bool]]:
        """Attempts with growing pauses; each gets what tells whether another one is allowed."""
        start = time.monotonic()
        pause = PAUSE_SECONDS

        def left() -> bool:
            patience = self._patience
            if not self._reached:
                patience = min(patience, FIRST_CONTACT_SECONDS)
            return time.monotonic() + pause < start + patience

        while True:
            yield left
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def all(self, method: Callable[..., Any], items: str, **arguments: Any) -> Iterator[Any]:
        """All items of a list that comes in pages."""
        token = ""
        while True:
            page = self.ask(method, page_token=token, page_size=PAGE, **arguments)
            yield from getattr(page, items) or []
            if not page.next_page_token or page.next_page_token == token:
                return
            token = page.next_page_token

    def named(
        self,
        method: Callable[..., Any],
        items: str,
        name: str,
        operation: str = "EQUALS",
        **arguments: Any,
    ) -> Iterator[Any]:
        """Those items of a list whose name is this, or holds it (`IS_SUBSTRING`)."""
        named = api.V2beta1Predicate(operation=operation, key="display_name", string_value=name)
        wanted = self._client.sanitize_for_serialization(api.V2beta1Filter(predicates=[named]))
        return self.all(method, items, filter=json.dumps(wanted), **arguments)

    def scope(self) -> dict[str, str]:
        """The namespace as an argument of lists."""
        return {"namespace": self.namespace} if self.namespace else {}

    def _send(self, method: Callable[..., T], arguments: dict[str, Any]) -> T:
        self._client.last_response = None
        try:
            answer = method(**arguments, _request_timeout=self._timeout)
        except (api.ApiException, urllib3.exceptions.HTTPError, ValueError) as error:
            fault = fault_of(error, self.host, self._token, reached=self._reached)
            self._reached = self._reached or fault.status is not None
            raise fault from error
        self._reached = True
        kind = self._client.last_response.getheader("content-type", "")
        if "json" not in kind:
            no_kfp = InputError(
                f"--host {self.host}",
                expected="the API of Kubeflow Pipelines",
                found=f"{kind.partition(';')[0] or 'something else'}, perhaps a page to log in",
                todo="pass --token-file FILE, or the address below which /apis/v2beta1 is",
            )
            raise ServerFault(no_kfp)
        return answer
