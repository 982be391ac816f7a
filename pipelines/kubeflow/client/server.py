"""A Kubeflow Pipelines API server: how it is asked, what is asked again, and what went wrong.

The requests are those of KFP's generated client (`kfp_server_api`), by the names of its methods.
`kfp.Client`, which wraps it, prints, reads and writes ~/.config/kfp, and waits without end; so it
is not used.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kfp_server_api as api
import urllib3

from pipelines.kubeflow.client.faults import ServerFault, fault_of
from pipelines.kubeflow.client.options import Access
from serving.errors import InputError, os_errors

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
CONNECT_SECONDS = 5.0
FIRST_CONTACT_SECONDS = 3.0  # that a host which never answered is asked again
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 8.0
PAGE = 100


class Services(
    api.ExperimentServiceApi,
    api.HealthzServiceApi,
    api.PipelineServiceApi,
    api.PipelineUploadServiceApi,
    api.RecurringRunServiceApi,
    api.RunServiceApi,
):
    """The requests of the generated client, and one that it does not know yet."""

    def run_with_tasks(self, run_id: str, **options: Any) -> Any:
        """A run as plain JSON; servers that always tell its tasks pass over `view`."""
        path, query = f"/apis/v2beta1/runs/{run_id}", [("view", "FULL")]
        options |= {"auth_settings": ["Bearer"], "_return_http_data_only": True}
        return self.api_client.call_api(
            path, "GET", query_params=query, response_type="object", **options
        )


class Server:
    """See `Access`; `connect` first. What fails is an InputError or a FailedError.

    Attributes:
        host: its URL.
        scope: the namespace, as an argument of requests; empty: none.
    """

    def __init__(self, access: Access):
        self.host, self._ui_host = access.url(), access.ui_url()
        self.scope = {"namespace": access.namespace} if access.namespace else {}
        self._timeout = (min(CONNECT_SECONDS, access.timeout_seconds), access.timeout_seconds)
        self._access = access
        self._reached = False
        configuration = api.Configuration(host=self.host)
        # One request an attempt; redirects, as to a page to log in, are shown and not followed.
        configuration.retries = urllib3.Retry(0, raise_on_redirect=False, raise_on_status=False)
        configuration.api_key_prefix["authorization"] = "Bearer"
        if access.tls_ca:
            configuration.ssl_ca_cert = str(access.tls_ca.expanduser())
            # ssl's own errors are the operating system's, too.
            with os_errors(f"--tls-ca {access.tls_ca}", expected="a PEM file"):
                ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        self._client = api.ApiClient(configuration)

    def connect(self) -> "Server":
        """Sees that there is a server, that it takes the token, and whose namespace is meant.

        Raises:
            InputError: no server is there, the token is refused, or a namespace is missing.
            FailedError: it does not answer as it should.
        """
        if self.ask("healthz_service_get_healthz").multi_user and not self.scope:
            if not POD_NAMESPACE.is_file():
                raise InputError(
                    f"{self.host} has a namespace for each user",
                    expected="--namespace NAME",
                    found="none",
                )
            self.scope = {"namespace": POD_NAMESPACE.read_text(encoding="utf-8").strip()}
        return self

    def link(self, kind: str, name: str) -> str:
        """URL of a page: `runs` or `recurringrun`, and an id."""
        return f"{self._ui_host}/#/{kind}/details/{name}"

    def ask(self, method: str, **arguments: Any) -> Any:
        """Sends a request that does no harm when it comes twice, until it is answered."""
        return self.make(lambda: None, lambda: self.once(method, **arguments))

    def make(self, find: Callable[[], Any], send: Callable[[], Any]) -> Any:
        """Makes something once: looks for it before each try, as a failure may hide a success.

        Args:
            find: gives what is wanted, if it is there.
            send: makes it, by `once`.
        """
        start, pause, fault = time.monotonic(), PAUSE_SECONDS, None
        while (found := find()) is None:
            if fault:
                patience = self._access.patience_seconds
                if not self._reached:
                    patience = min(patience, FIRST_CONTACT_SECONDS)
                if not fault.passing or time.monotonic() + pause > start + patience:
                    raise fault.error from fault
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                return send()
            except ServerFault as failed:
                fault = failed
        return found

    def all(
        self, method: str, name: str = "", operation: str = "EQUALS", **arguments: Any
    ) -> Iterator[Any]:
        """All items of a list in pages, or those that have a name or hold it (`IS_SUBSTRING`)."""
        if name:
            wanted = {"operation": operation, "key": "display_name", "string_value": name}
            arguments["filter"] = json.dumps({"predicates": [wanted]})
        token = ""
        while True:
            page = self.ask(method, page_token=token, page_size=PAGE, **arguments)
            yield from getattr(page, method.rpartition("_list_")[2]) or []
            if not page.next_page_token or page.next_page_token == token:
                return
            token = page.next_page_token

    def find(self, method: str, *name: str, **arguments: Any) -> Any:
        """The first of `all`; None: there is none."""
        return next(self.all(method, *name, **arguments), None)

    def once(self, method: str, **arguments: Any) -> Any:
        """Sends one request.

        Raises:
            InputError: the token is no longer there.
            ServerFault: it failed.
        """
        token_source, token = self._access.token()
        if token:
            self._client.configuration.api_key["authorization"] = token
        ask = getattr(Services(self._client), method)
        try:
            answer = ask(**arguments, _request_timeout=self._timeout)
        except (api.ApiException, urllib3.exceptions.HTTPError, ValueError) as error:
            fault = fault_of(error, self.host, token_source, reached=self._reached)
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
