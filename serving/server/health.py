"""Health checking and reflection: gRPC's own services, beside those of TensorFlow Serving."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from serving.server.admission import Arrivals
from serving.server.core import Core
from serving.server.faults import Fault, invalid, not_found, unavailable

# Between two looks at the models, for those who watch; who asks gets the state of now.
_LOOK_SECONDS = 0.5
_MAX_WATCHES = 1000
# A client of reflection asks a few questions and leaves.
_MAX_REFLECTIONS, _REFLECTION_SECONDS = 16, 60.0

_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN
_SERVING, _NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING

# Reflection tells what protobuf knows by these imports.
SERVICES = tuple(
    service
    for module in (prediction_service_pb2, model_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)
_NAMES = tuple(service.full_name for service in SERVICES)


class Health:
    """Tells who can be asked: the services, and each model by its name.

    The server and its services are SERVING while at least one model has a live version, a model
    while it has one; all are NOT_SERVING once a stop has begun. A request has to arrive in so many
    seconds.
    """

    def __init__(self, core: Core, seconds: float):
        self._core = core
        self._stopping = asyncio.Event()
        self._checks = Arrivals(seconds)
        self._watches = Arrivals(None, most=_MAX_WATCHES)

    def handler(self) -> grpc.GenericRpcHandler:
        """Of both methods, as streams: grpcio would wait for a single message for ever."""
        coded = (HealthCheckRequest.FromString, HealthCheckResponse.SerializeToString)
        methods = {
            "Check": grpc.stream_unary_rpc_method_handler(self._check, *coded),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watch, *coded),
        }
        return grpc.method_handlers_generic_handler(health.SERVICE_NAME, methods)

    async def _check(
        self, requests: AsyncIterator[HealthCheckRequest], context: grpc.aio.ServicerContext
    ) -> HealthCheckResponse | None:
        async with _faults_told(context), self._checks.one():
            service = await _asked(requests)
            if (status := self._status(service)) == _UNKNOWN:
                raise not_found(f"unknown service {service}")
            return HealthCheckResponse(status=status)
        return None

    async def _watch(
        self, requests: AsyncIterator[HealthCheckRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[HealthCheckResponse]:
        async with _faults_told(context), self._watches.one():
            async for status in self._changes(await _asked(requests)):
                yield HealthCheckResponse(status=status)
            raise unavailable("the server is stopping")

    def close(self) -> None:
        """Tells NOT_SERVING from now on."""
        self._stopping.set()

    async def _changes(self, service: str) -> AsyncIterator[int]:
        told = None
        while True:
            stopping = self._stopping.is_set()
            if (status := self._status(service)) != told:
                yield (told := status)
            if stopping:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _LOOK_SECONDS)

    def _status(self, service: str) -> int:
        models = self._core.models()
        if service not in (*models, "", *_NAMES):
            return _UNKNOWN
        asked = [service] if service in models else models
        live = not self._stopping.is_set() and any(map(self._core.versions, asked))
        return _SERVING if live else _NOT_SERVING


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):
    """Tells the messages of the services; a stream may stay for a minute, so many at a time."""

    def __init__(self) -> None:
        names = (*_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._told = reflection.aio.ReflectionServicer(names)
        self._streams = Arrivals(_REFLECTION_SECONDS, most=_MAX_REFLECTIONS)

    async def ServerReflectionInfo(  # noqa: D102 - the protocol's
        self,
        requests: AsyncIterator[reflection_pb2.ServerReflectionRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        async with _faults_told(context), self._streams.one():
            async for response in self._told.ServerReflectionInfo(requests, context):
                yield response

    def close(self) -> None:
        """Ends the streams that are open."""
        self._streams.close()


@asynccontextmanager
async def _faults_told(context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
    try:
        yield
    except DecodeError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except Fault as fault:
        await context.abort(fault.code, fault.details)


async def _asked(requests: AsyncIterator[HealthCheckRequest]) -> str:
    """The service that the first request names."""
    async for request in requests:
        return request.service
    raise invalid("the call holds no request")
