"""Health checking and reflection: gRPC's own services, beside those of TensorFlow Serving."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from serving.server.admission import Arrivals
from serving.server.core import Core
from serving.server.faults import Fault

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


class Health(health_pb2_grpc.HealthServicer):
    """Tells who can be asked: the services, and each model by its name.

    The server and its services are SERVING while at least one model has a live version, a model
    while it has one; all are NOT_SERVING once a stop has begun.
    """

    def __init__(self, core: Core):
        self._core = core
        self._stopping = asyncio.Event()
        self._watches = Arrivals(None, most=_MAX_WATCHES)

    async def Check(  # noqa: D102 - the protocol's
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> HealthCheckResponse:
        status = self._status(request.service)
        if status == _UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {request.service}")
        return HealthCheckResponse(status=status)

    async def Watch(  # noqa: D102 - the protocol's
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[HealthCheckResponse]:
        try:
            async with self._watches.one():
                async for status in self._changes(request.service):
                    yield HealthCheckResponse(status=status)
            raise Fault(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
        except Fault as fault:
            await context.abort(fault.code, fault.details)

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
        try:
            async with self._streams.one():
                async for response in self._told.ServerReflectionInfo(requests, context):
                    yield response
        except Fault as fault:
            await context.abort(fault.code, fault.details)

    def close(self) -> None:
        """Ends the streams that are open."""
        self._streams.close()
