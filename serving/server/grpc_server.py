"""The gRPC server: its ports, keys and limits, and the way of a request through it."""

import asyncio
import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
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
from serving.server.fields import count_fields
from serving.server.health import SERVICES, Health, Reflection
from serving.server.observer import REQUEST_ID, Observer
from serving.server.options import ServerOptions
from serving.server.service import Service
from serving.wire import methods

# A connection whose client takes none of its answer ends 20 s later.
_KEEPALIVE_MS = 30_000
_MAX_SEND = "grpc.max_send_message_length"
# Protobuf parses without giving another thread a turn: of larger messages one at a time.
_LARGE_MESSAGE = 2**20
# Tells gRPC's own retries to leave it: the same request would be as large a second time.
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")

Handler = Callable[[AsyncIterator[bytes], grpc.aio.ServicerContext], Awaitable[bytes | None]]


class GrpcServer:
    """A server that answers on its TCP `port`, from an event loop in a thread of its own.

    A request on its way costs the loop next to nothing; once it is whole, a thread answers it: it
    is one blocking `Session.run`, which frees Python's lock.

    Raises:
        InputError: a port, the socket or the keys cannot be used.
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
        logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_farewell)
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
        self._service, self._observer = service, observer
        self._arrivals = Arrivals(options.receive_timeout_seconds, options.request_memory_mb)
        self._workers = Workers(_threads(options), "request")
        self._quick = Workers(2, "status")  # tells a status even while all others predict
        self._large, self._max_fields = Workers(1, "large"), options.max_request_elements
        most = arguments[_MAX_SEND]  # gRPC passes over a text there, and takes -1 for any size
        self._max_bytes = most if isinstance(most, int) else -1
        for described in SERVICES:
            # Without serializers grpcio hands over bytes: what is wrong with them is told there. On
            # the wire a stream of one message is a message; only its way in can be bounded.
            handlers = {
                method.name: grpc.stream_unary_rpc_method_handler(self._handler(method))
                for method in described.methods
            }
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(described.full_name, handlers),)
            )
        self._health = Health(service.core, options.receive_timeout_seconds)
        self._reflection = Reflection()
        self._server.add_generic_rpc_handlers((self._health.handler(),))
        if options.enable_reflection:
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
                self._reflection, self._server
            )
        await self._server.start()
        return port

    async def _stop(self, grace_seconds: float) -> None:
        self._health.close()
        for one in (self._reflection, self._arrivals):
            one.close()
        await self._server.stop(grace_seconds)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _handler(self, method: MethodDescriptor) -> Handler:
        """What answers a method, by the Service's of its name; it aborts or answers."""

        async def handle(
            _: AsyncIterator[bytes], context: grpc.aio.ServicerContext
        ) -> bytes | None:
            sent = dict(context.invocation_metadata() or ())
            observed = self._observer.call(
                "grpc", method.name, sent.get(REQUEST_ID), context.peer()
            )
            try:
                with observed as call:
                    context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                    return await self._answered(method, context, call)
            except Fault as fault:
                if fault.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                    context.set_trailing_metadata(((REQUEST_ID, call.request_id), _DO_NOT_RETRY))
                await context.abort(fault.code, fault.details)  # raises
                return None

        return handle

    async def _answered(
        self, method: MethodDescriptor, context: grpc.aio.ServicerContext, call: Call
    ) -> bytes:
        remaining = context.time_remaining()
        if remaining is not None:
            call.deadline = time.monotonic() + remaining
        async with self._arrivals.one() as arrival:
            wire = await context.read()
            if wire is grpc.aio.EOF:
                raise invalid("the call holds no request")
            arrival.grow(len(wire))
            arrival.whole()
            workers = self._quick if method.name.startswith("Get") else self._workers
            if len(wire) <= _LARGE_MESSAGE:
                return await workers.run(
                    call,
                    arrival,
                    lambda: self._response(method, self._request(method, wire, call), call),
                )
            request = await self._large.run(call, arrival, self._request, method, wire, call)
            return await workers.run(call, arrival, self._response, method, request, call)

    def _request(self, method: MethodDescriptor, wire: bytes, call: Call) -> Message:
        call.go_on()
        kind, most = method.input_type, self._max_fields
        # A field takes two bytes at least.
        if len(wire) > 2 * most > 0 and count_fields(wire, kind, most) > most:
            found = f"the request has more than {most} fields"
            raise exhausted(f"{found} (--max_request_elements)")
        try:
            return GetMessageClass(kind).FromString(wire)
        except DecodeError as error:
            raise invalid(f"the request is no {kind.name}: {error}") from error

    def _response(self, method: MethodDescriptor, request: Message, call: Call) -> bytes:
        call.go_on()
        answer = getattr(self._service, re.sub(r"\B(?=[A-Z])", "_", method.name).lower())
        response = answer(request, call).SerializeToString()
        if 0 <= self._max_bytes < len(response):
            raise exhausted(
                f"the answer takes {len(response)} bytes, at most {self._max_bytes} are sent"
            )
        return response


def _is_no_farewell(record: logging.LogRecord) -> bool:
    """That a caller left before the answer went out is no error, and worth no traceback."""
    return "raised in core" not in record.getMessage()


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
