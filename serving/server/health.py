"""Health checking and reflection: what every gRPC server tells about itself.

Both answer from threads of their own: a probe does not wait behind predictions, and a forgotten
stream does not keep a thread from them.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from serving.server.core import Core
from serving.server.polling import Poller

# Between two looks at the models, for those who watch; who asks gets the state of now.
_LOOK_SECONDS = 0.5

# That a stop waits for watchers to be told.
_TELL_SECONDS = 1.0

_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN
_SERVING, _NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING

# Reflection tells what protobuf knows by these imports.
SERVICES = tuple(
    service
    for module in (prediction_service_pb2, model_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)
_NAMES = tuple(service.full_name for service in SERVICES)


class Streams:
    """Open streams; they are cancelled at the end, or a stop would wait for them in vain."""

    def __init__(self) -> None:
        # Shared by threads: whatever is done to it is one step under Python's lock.
        self._open: set[grpc.ServicerContext] = set()

    def kept(self, behaviour: Callable) -> Callable:
        """The same behaviour, whose streams are kept until they end."""

        def behave(request: Any, context: grpc.ServicerContext, *more: Any) -> Any:
            self._open.add(context)
            if not context.add_callback(lambda: self._open.discard(context)):
                self._open.discard(context)
            return behaviour(request, context, *more)

        return behave

    def cancel(self) -> None:
        """Ends all that are open."""
        for context in list(self._open):
            context.cancel()


class Health(health.HealthServicer):
    """Tells who can be asked: the services, and each model by its name.

    The server and its services are SERVING while at least one model has a live version, a model
    while it has one; all are NOT_SERVING once a stop has begun.
    """

    def __init__(self, core: Core, streams: Streams):
        super().__init__(experimental_non_blocking=True)
        pool = ThreadPoolExecutor(2, thread_name_prefix="health")
        self.Check = in_pool(self.Check, pool)  # type: ignore[method-assign]
        self.Watch = in_pool(streams.kept(self.Watch), pool)  # type: ignore[method-assign]
        self.Watch.experimental_non_blocking = True  # type: ignore[attr-defined]
        self._core = core
        self._told: dict[str, int] = {}
        self._refreshing = threading.Lock()
        self._open = True
        # The base class sends while it holds a lock that the end of a stream asks for on grpcio's
        # only event thread, without which no send ever completes: the server would hang.
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="health_sender")
        self._refresh()
        self._poller = Poller("health", _LOOK_SECONDS, self._refresh)

    def Check(  # noqa: D102 - the protocol's
        self, request: HealthCheckRequest, context: grpc.ServicerContext
    ) -> HealthCheckResponse:
        self._refresh()
        if self._told.get(request.service, _UNKNOWN) == _UNKNOWN:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {request.service}")
        return super().Check(request, context)

    def Watch(  # noqa: D102 - the protocol's
        self,
        request: HealthCheckRequest,
        context: grpc.ServicerContext,
        send_response_callback: Callable | None = None,
    ) -> Any:
        send = send_response_callback
        assert send is not None, "grpcio gives it, since Watch is experimental_non_blocking"
        return super().Watch(request, context, lambda answer: self._sender.submit(send, answer))

    def close(self) -> None:
        """Tells NOT_SERVING from now on."""
        self._open = False
        self._refresh()
        self._poller.stop()
        wait([self._sender.submit(lambda: None)], _TELL_SECONDS)  # after all that were waiting

    def _refresh(self) -> None:
        with self._refreshing:
            models = self._core.models()
            live = {name: self._open and bool(self._core.versions(name)) for name in models}
            live |= dict.fromkeys(("", *_NAMES), any(live.values()))
            # A model that was there once: its watchers are told that it is gone.
            now = dict.fromkeys(self._told, _UNKNOWN)
            now |= {name: _SERVING if one else _NOT_SERVING for name, one in live.items()}
            for name, status in now.items():
                if self._told.get(name) != status:
                    self.set(name, status)
            self._told = now


def add_to_server(server: grpc.Server, core: Core, streams: Streams) -> Health:
    """Adds both services; the health, to be closed at the end."""
    told = Health(core, streams)
    health_pb2_grpc.add_HealthServicer_to_server(told, server)
    names = (*_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflected = reflection.ReflectionServicer(names)
    # A stream that is left open holds one of these.
    pool = ThreadPoolExecutor(4, thread_name_prefix="reflection")
    reflected.ServerReflectionInfo = in_pool(streams.kept(reflected.ServerReflectionInfo), pool)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, server)
    return told


def in_pool(behaviour: Callable, pool: ThreadPoolExecutor) -> Callable:
    """The same behaviour, run by `pool` instead of the server's own threads."""

    def behave(*arguments: Any, **named: Any) -> Any:
        return behaviour(*arguments, **named)

    # grpcio reads it; the health service's documented argument of that name is the same.
    behave.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return behave
