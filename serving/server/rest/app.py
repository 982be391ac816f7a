"""The REST API as an ASGI application: HTTP on one side, the service on the other."""

import asyncio
import os
import re
import time
from urllib.parse import unquote

import grpc
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.server.admission import Arrival, Arrivals, Workers
from serving.server.call import Call
from serving.server.faults import Fault, invalid, not_found
from serving.server.metrics import CONTENT_TYPE, DEFAULT_PATH
from serving.server.observer import REQUEST_ID, Observer
from serving.server.options import ServerOptions
from serving.server.rest import answers
from serving.server.rest.bodies import Body, decompressed, is_packed, json_response, read_body
from serving.server.rest.json_text import count_elements, parse_object
from serving.server.rest.requests import fill_examples, fill_predict, signature_name
from serving.server.service import Service
from serving.server.signatures import DEFAULT_SIGNATURE
from serving.stores.versions import version_number
from serving.wire import methods

# Python parses JSON without ever giving another thread a turn. Of larger texts, or those of more
# elements, one at a time is parsed.
_LARGE_TEXT, _MANY_ELEMENTS = 2**20, 50_000

_CORS_HEADERS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}

# As in tensorflow_serving/model_servers/http_rest_api_util.cc: any case, in full.
_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_FLAGS = re.IGNORECASE | re.ASCII
_POST = re.compile(rf"{_MODEL}{_WHICH}:(?P<method>classify|regress|predict)", _FLAGS)
_GET = re.compile(rf"{_MODEL}{_WHICH}(?:/(?P<method>metadata))?", _FLAGS)
_HOST = re.compile(r"^https?://[^/]*", _FLAGS)
_ALL_MODELS = re.compile(r"/v1/models(?:/metadata)?", _FLAGS)

_MAX_PATH = 200  # in a message

# As in tensorflow_serving/model_servers/http_server.cc; any other is a 500.
_HTTP_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


def malformed(http_method: str, path: str) -> str:
    """TensorFlow Serving's words for a path or a method it does not know."""
    return f"Malformed request: {http_method} {path[:_MAX_PATH]}"


def parse_path(http_method: str, path: str) -> tuple[str, ModelSpec]:
    """Reads a path, percent-encoded as it came; a Fault if it is none of the API's.

    Returns:
        predict, classify, regress, metadata or status; and the model, with its version or label.
    """
    pattern = {"POST": _POST, "GET": _GET}.get(http_method)
    found = pattern.fullmatch(path) if pattern else None
    if not found:
        if http_method == "GET" and _ALL_MODELS.fullmatch(path):
            raise invalid("Missing model name in request.")
        raise invalid(malformed(http_method, path))
    spec = ModelSpec(name=unquote(found["name"]))
    if found["version"]:
        # Longer numbers than Python likes to read are too large anyway.
        version = version_number(found["version"][:30])
        if version is None:
            raise invalid(f"Failed to convert version: {found['version'][:_MAX_PATH]} to numeric.")
        spec.version.value = version
    if found["label"]:
        spec.version_label = unquote(found["label"])
    return (found["method"] or "status").lower(), spec


class RestApp:
    """Answers HTTP requests; the model runs in threads, so that a slow one holds up no other.

    Called by the ASGI server, once a request.
    """

    def __init__(self, service: Service, observer: Observer, options: ServerOptions):
        self._service = service
        self._observer = observer
        self._timeout = options.rest_api_timeout_in_ms / 1000
        metrics = options.monitoring.prometheus_config
        self._metrics_path = (metrics.path or DEFAULT_PATH) if metrics.enable else None
        self._cors = options.rest_api_enable_cors_support
        self._max_elements = options.max_request_elements
        self._arrivals = Arrivals(options.receive_timeout_seconds, options.request_memory_mb)
        threads = options.rest_api_num_threads or 4 * (os.cpu_count() or 1)  # TensorFlow Serving's
        self._workers, self._large = Workers(threads, "rest"), Workers(1, "rest_large")
        # A status is told even while all threads predict.
        self._quick = Workers(2, "rest_status")

    def close(self) -> None:
        """Ends the requests that are on their way; to be called in the event loop."""
        self._arrivals.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        # As it came: a name may hold an encoded slash. In absolute form the host stands in front.
        path = _HOST.sub("", scope["raw_path"].decode("utf-8", "replace"))
        if path == self._metrics_path:
            response = Response(self._observer.metrics.page(), media_type=CONTENT_TYPE)
        else:
            response = await self._observed(request, path)
            if self._cors:
                response.headers.update(_CORS_HEADERS)
        await response(scope, receive, send)

    async def _observed(self, request: Request, path: str) -> Response:
        peer = ":".join(map(str, request.client or ()))
        try:
            with self._observer.call("rest", "", request.headers.get(REQUEST_ID), peer) as call:
                response = await self._answer(request, path, call)
        except Fault as fault:
            http_status = fault.http_status or _HTTP_STATUS.get(fault.code, 500)
            response = _refusal(fault.details, http_status)
        except asyncio.CancelledError:
            response = _refusal("the server is stopping", 503)
        response.headers[REQUEST_ID] = call.request_id
        if {"content-length", "transfer-encoding"} <= set(request.headers):
            response.headers["connection"] = "close"  # RFC 9112, 6.1: it may be an attack
        return response

    async def _answer(self, request: Request, path: str, call: Call) -> Response:
        if not path.lower().startswith("/v1/"):  # no path of the API's
            raise not_found(malformed(request.method, path))
        if self._cors and request.method == "OPTIONS":
            return json_response(b"")
        call.method, spec = parse_path(request.method, path)
        call.model = spec.name
        async with self._arrivals.one() as arrival:
            body: Body = b"" if request.method == "GET" else await read_body(request, arrival)
            arrival.whole(self._timeout)
            call.deadline = time.monotonic() + self._timeout
            gone = asyncio.ensure_future(_watch(request, arrival))
            try:
                return await self._work(spec, request, body, arrival, call)
            finally:
                gone.cancel()

    async def _work(
        self, spec: ModelSpec, request: Request, body: Body, arrival: Arrival, call: Call
    ) -> Response:
        """Answers a whole request, in threads."""
        workers = self._quick if request.method == "GET" else self._workers
        if is_packed(request.headers) or len(body) > _LARGE_TEXT:
            packed = len(body)
            body, elements = await workers.run(call, arrival, _unpacked, body, request)
            arrival.grow(len(body) - packed)
            if self._max_elements and elements > self._max_elements:
                found = f"{elements} elements, at most {self._max_elements} are taken"
                raise invalid(f"JSON Parse error: {found} (--max_request_elements)", 413)
            if elements > _MANY_ELEMENTS:
                workers = self._large
        accepted = request.headers.get("accept-encoding", "")

        def answered() -> Response:
            plain = _answer(self._service, spec, body, call).encode()
            call.go_on()
            return json_response(plain, accepted)

        return await workers.run(call, arrival, answered)


def _unpacked(body: Body, request: Request) -> tuple[Body, int]:
    plain = decompressed(body, request.headers)
    return plain, count_elements(plain)


async def _watch(request: Request, arrival: Arrival) -> None:
    """Ends it when the caller has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    arrival.end_in(0.0, Fault(grpc.StatusCode.CANCELLED, "the caller has left"))


def _answer(service: Service, spec: ModelSpec, body: Body, call: Call) -> str:
    """What a path does: a request for the service, and its answer as JSON."""
    if call.method == "status":
        return answers.status(
            service.get_model_status(GetModelStatusRequest(model_spec=spec), call)
        )
    if call.method == "metadata":
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=[methods.METADATA_FIELD])
        return answers.metadata(service.get_model_metadata(request, call))
    call.go_on()
    values = parse_object(body)
    call.go_on()
    spec.signature_name = signature_name(values)
    call.signature = spec.signature_name or DEFAULT_SIGNATURE
    if call.method == "predict":
        return _predict(service, PredictRequest(model_spec=spec), values, call)
    if call.method == "classify":
        classification = ClassificationRequest(model_spec=spec)
        fill_examples(classification.input, values, call.method)
        return answers.classifications(service.classify(classification, call))
    regression = RegressionRequest(model_spec=spec)
    fill_examples(regression.input, values, call.method)
    return answers.regressions(service.regress(regression, call))


def _predict(service: Service, request: PredictRequest, values: dict, call: Call) -> str:
    # JSON does not tell the types: the signature does.
    with service.core.lease(request.model_spec) as servable:
        signature = servable.signatures.get(call.signature)
        if signature is None:
            raise invalid(f'Serving signature name: "{call.signature}" not found in signature def')
        in_rows = fill_predict(request, values, signature)
    outputs = service.predict(request, call).outputs
    return answers.rows(outputs) if in_rows else answers.columns(outputs)


def _refusal(message: str, http_status: int) -> Response:
    return json_response(answers.error(message).encode(), http_status=http_status)
