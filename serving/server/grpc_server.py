"""The gRPC server: its ports, keys and limits, and the way of a request through it."""

import asyncio
import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2_grpc

from serving.errors import InputError
from serving.server.admission import (
    MAX_CONCURRENT_REQUESTS,
    Arrivals,
    Workers,
    most_connections,
)
from serving.server.call import Call
from serving.server.config_files import channel_arguments
from serving.server.faults import Fault, exhausted, invalid
from serving.server.health import SERVICES, Health, Reflection
from serving.server.observer import REQUEST_ID, Observer
from serving.server.options import ServerOptions
from serving.server.service import Service
from serving.wire import methods

# A connection whose client takes none of its answer ends 20 s later.
_KEEPALIVE_MS = 30_000
_MAX_SEND = "grpc.max_send_message_length"
# Tells gRPC's own retries to leave it: the same request would be as large a second time.
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")

# That a caller left before the answer went out is no error, and worth no traceback.
logging.getLogger("grpc._cython.cygrpc").addFilter(
    lambda record: "raised in core" not in record.getMessage()
)


class GrpcServer:
    """A server that answers on its TCP `port`, from an event loop in a thread of its own.

    A request on its way costs the loop next to nothing; once it is whole, a thread answers it: it
    is one blocking `Session.run`, which frees Python's lock.
    """

    def __init__(self, service: Service, observer: Observer, options: ServerOptions):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()
        try:
            self.port: int = self._run(self._start(service, observer, options))
        except BaseException:
            self._end()
            raise

    def stop(self, grace_seconds: float) -> None:
        """Takes no more requests; what still runs after so many seconds is cancelled."""
        if self._thread.is_alive():
            self._run(self._stop(grace_seconds))
            self._end()

    async def _start(self, service: Service, observer: Observer, options: ServerOptions) -> int:
        # Without the first, two servers could share a port without a word.
        arguments: dict[str, int | str] = {
            "grpc.so_reuseport": 0,
            "grpc.max_allowed_incoming_connections": most_connections(options.max_connections),
            "grpc.keepalive_time_ms": _KEEPALIVE_MS,
            **dict(methods.MESSAGE_SIZE_OPTIONS),
        }
        arguments |= channel_arguments(options.grpc_channel_arguments)
        try:
            self._server = grpc.aio.server(options=list(arguments.items()))
        except (OverflowError, UnicodeError) as error:
            what, found = "--grpc_channel_arguments", str(error)
            raise InputError(what, expected="text or numbers of 32 bits", found=found) from error
        port = _listen(self._server, options)
        most = arguments[_MAX_SEND]
        door = _Door(
            observer,
            Arrivals(options.receive_timeout_seconds, options.request_memory_mb * 2**20),
            Workers(_threads(options), "request"),
            Workers(2, "status"),
            most if isinstance(most, int) else -1,  # gRPC passes over a text there
        )
        self._server.add_generic_rpc_handlers(tuple(_handlers(service, door)))
        self._health = Health(service.core, options.receive_timeout_seconds)
        self._reflection, self._door = Reflection(), door
        self._server.add_generic_rpc_handlers((self._health.handler(),))
        if options.enable_reflection:
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
                self._reflection, self._server
            )
        await self._server.start()
        return port

    async def _stop(self, grace_seconds: float) -> None:
        self._health.close()
        for one in (self._reflection, self._door.arrivals):
            one.close()
        await self._server.stop(grace_seconds)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def start_grpc_server(service: Service, observer: Observer, options: ServerOptions) -> GrpcServer:
    """Starts answering; an InputError where a port, the socket or the keys cannot be used."""
    return GrpcServer(service, observer, options)


def _threads(options: ServerOptions) -> int:
    if options.grpc_max_threads:
        return options.grpc_max_threads
    if options.batching:
        return MAX_CONCURRENT_REQUESTS  # a request that waits for its batch holds a thread
    # More than cores, so that a small request does not wait behind large ones.
    return 4 * (os.cpu_count() or 1) + 4


def _listen(server: grpc.aio.Server, options: ServerOptions) -> int:
    """Binds the ports; the TCP one's number."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.port}"
    try:
        if options.use_alts_credentials:
            port = server.add_secure_port(address, grpc.alts_server_credentials())
        elif options.ssl:
            ssl = options.ssl
            pair = (ssl.server_key.encode(), ssl.server_cert.encode())
            authority = ssl.custom_ca.encode() or None
            keys = grpc.ssl_server_credentials([pair], authority, ssl.client_verify)
            port = server.add_secure_port(address, keys)
        else:
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        if options.ssl and _is_free(address):
            raise InputError(
                "--ssl_config_file",
                expected="a private key and the certificate that belongs to it",
                found="texts that cannot be used as such",
            ) from error
        raise InputError(
            f"--port={options.port}",
            expected=f"a free port on {options.host}",
            found="one in use or not allowed",
            todo="pass another port, or --port=0 for any free one",
        ) from error
    if options.grpc_socket_path:
        _listen_on_socket(server, options.grpc_socket_path, int(options.file_mode, 8))
    return port


def _is_free(address: str) -> bool:
    try:
        return bool(grpc.server(ThreadPoolExecutor(1)).add_insecure_port(address))
    except RuntimeError:
        return False


def _listen_on_socket(server: grpc.aio.Server, path: str, mode: int) -> None:
    refusal = InputError(
        f"--grpc_socket_path={path}",
        expected="a path of at most 107 characters where a socket can be made",
        found="one in use or not allowed",
    )
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        # gRPC takes a socket's place without asking: right for one that an ended server left.
        probe.connect(path)
        raise refusal
    mask = os.umask(0o777 & ~mode)  # from its first moment on
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise refusal from error
    finally:
        os.umask(mask)


@dataclass(frozen=True)
class _Door:
    """What requests of all methods go through.

    Attributes:
        quick: tells a status even while all of `workers` predict.
        max_bytes: of a response; any, if negative.
    """

    observer: Observer
    arrivals: Arrivals
    workers: Workers
    quick: Workers
    max_bytes: int


def _handlers(service: Service, door: _Door) -> Iterator[grpc.GenericRpcHandler]:
    """Each method of the services is the Service's of its name."""
    for described in SERVICES:
        made = {}
        for method in described.methods:
            answer = getattr(service, re.sub(r"\B(?=[A-Z])", "_", method.name).lower())
            handle = _Method(method.name, GetMessageClass(method.input_type), answer, door).handle
            # Without serializers grpcio hands over bytes: what is wrong with them is told there.
            # On the wire a stream of one message is a message; only its way in can be bounded.
            made[method.name] = grpc.stream_unary_rpc_method_handler(handle)
        yield grpc.method_handlers_generic_handler(described.full_name, made)


@dataclass(frozen=True)
class _Method:
    """A unary gRPC method."""

    name: str
    request_type: type[Message]
    answer: Callable[[Any, Call], Message]
    door: _Door

    async def handle(
        self, _: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> bytes | None:
        """Answers, or aborts with a status; nothing else leaves it."""
        sent, observed = dict(context.invocation_metadata() or ()), self.door.observer.call
        try:
            with observed("grpc", self.name, sent.get(REQUEST_ID), context.peer()) as call:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                return await self._answered(context, call)
        except Fault as fault:
            if fault.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id), _DO_NOT_RETRY))
            await context.abort(fault.code, fault.details)  # raises
            return None

    async def _answered(self, context: grpc.aio.ServicerContext, call: Call) -> bytes:
        remaining = context.time_remaining()
        if remaining is not None:
            call.deadline = time.monotonic() + remaining
        async with self.door.arrivals.one() as arrival:
            wire = await context.read()
            if wire is grpc.aio.EOF:
                raise invalid("the call holds no request")
            arrival.grow(len(wire))
            arrival.whole()
            workers = self.door.quick if self.name.startswith("Get") else self.door.workers
            return await workers.run(call, self._response, wire, call)

    def _response(self, wire: bytes, call: Call) -> bytes:
        call.go_on()
        try:
            request = self.request_type.FromString(wire)
        except DecodeError as error:
            kind = self.request_type.DESCRIPTOR.name
            raise invalid(f"the request is no {kind}: {error}") from error
        response = self.answer(request, call).SerializeToString()
        if 0 <= self.door.max_bytes < len(response):
            raise exhausted(
                f"the answer takes {len(response)} bytes, at most {self.door.max_bytes} are sent"
            )
        return response
