"""The gRPC server: its ports, keys and limits, and the way of a request through it."""

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from serving.errors import InputError
from serving.server.call import Call
from serving.server.config_files import channel_arguments
from serving.server.faults import Fault, exhausted, invalid
from serving.server.health import SERVICES, Health, Streams, add_to_server, in_pool
from serving.server.observer import REQUEST_ID, Observer
from serving.server.options import ServerOptions
from serving.server.service import Service
from serving.wire import methods

# Requests beyond it are refused (RESOURCE_EXHAUSTED) instead of piling up in memory.
MAX_CONCURRENT_REQUESTS = 128

_MAX_SEND = "grpc.max_send_message_length"
# Tells gRPC's own retries to leave it: the same request would be as large a second time.
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")


@dataclass(frozen=True)
class GrpcServer:
    """A server that answers on its TCP `port`."""

    server: grpc.Server
    port: int
    health: Health
    streams: Streams

    def stop(self, grace_seconds: float) -> None:
        """Takes no more requests; what still runs after so many seconds is cancelled."""
        self.health.close()
        stopped = self.server.stop(grace_seconds)
        self.streams.cancel()
        stopped.wait()


def start_grpc_server(service: Service, observer: Observer, options: ServerOptions) -> GrpcServer:
    """Starts answering; an InputError where a port, the socket or the keys cannot be used.

    The server is grpcio's threaded one: a request is one blocking `Session.run`, which holds a
    thread and frees Python's lock, so an event loop would only hand it to a thread as well.
    """
    # Without the first, two servers could share a port without a word.
    arguments: dict[str, int | str] = {"grpc.so_reuseport": 0, **dict(methods.MESSAGE_SIZE_OPTIONS)}
    arguments |= channel_arguments(options.grpc_channel_arguments)
    try:
        server = grpc.server(
            ThreadPoolExecutor(_threads(options), thread_name_prefix="request"),
            options=list(arguments.items()),
            maximum_concurrent_rpcs=MAX_CONCURRENT_REQUESTS,
        )
    except (OverflowError, UnicodeError) as error:
        what, found = "--grpc_channel_arguments", str(error)
        raise InputError(what, expected="text or numbers of 32 bits", found=found) from error
    port = _listen(server, options)
    streams = Streams()
    most = arguments[_MAX_SEND]
    limit = most if isinstance(most, int) else -1  # gRPC passes over a text there
    server.add_generic_rpc_handlers(tuple(_handlers(service, observer, limit)))
    health = add_to_server(server, service.core, streams)
    server.start()
    return GrpcServer(server, port, health, streams)


def _threads(options: ServerOptions) -> int:
    if options.grpc_max_threads:
        return options.grpc_max_threads
    if options.batching:
        return MAX_CONCURRENT_REQUESTS  # a request that waits for its batch holds a thread
    # More than cores, so that a small request does not wait behind large ones.
    return 4 * (os.cpu_count() or 1) + 4


def _listen(server: grpc.Server, options: ServerOptions) -> int:
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
        _listen_on_socket(server, options.grpc_socket_path)
    return port


def _is_free(address: str) -> bool:
    try:
        return bool(grpc.server(ThreadPoolExecutor(1)).add_insecure_port(address))
    except RuntimeError:
        return False


def _listen_on_socket(server: grpc.Server, path: str) -> None:
    refusal = InputError(
        f"--grpc_socket_path={path}",
        expected="a path of at most 107 characters where a socket can be made",
        found="one in use or not allowed",
    )
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        # gRPC takes a socket's place without asking: right for one that an ended server left.
        probe.connect(path)
        raise refusal
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise refusal from error


def _handlers(service: Service, observer: Observer, limit: int) -> Iterator[grpc.GenericRpcHandler]:
    """Each method of the services is the Service's of its name."""
    # A status is told even while all threads predict.
    quick = ThreadPoolExecutor(2, thread_name_prefix="status")
    for described in SERVICES:
        made = {}
        for method in described.methods:
            answer = getattr(service, re.sub(r"\B(?=[A-Z])", "_", method.name).lower())
            request_type = GetMessageClass(method.input_type)
            handle = _Method(method.name, request_type, answer, observer, limit).handle
            # Without serializers grpcio hands over bytes: what is wrong with them is told there.
            behaviour = in_pool(handle, quick) if method.name.startswith("Get") else handle
            made[method.name] = grpc.unary_unary_rpc_method_handler(behaviour)
        yield grpc.method_handlers_generic_handler(described.full_name, made)


@dataclass(frozen=True)
class _Method:
    """A unary gRPC method; a response has at most `max_bytes`, unless these are negative."""

    name: str
    request_type: type[Message]
    answer: Callable[[Any, Call], Message]
    observer: Observer
    max_bytes: int

    def handle(self, wire: bytes, context: grpc.ServicerContext) -> bytes | None:
        """Answers, or aborts with a status; nothing else leaves it."""
        sent = dict(context.invocation_metadata() or ())
        try:
            with self.observer.call("grpc", self.name, sent.get(REQUEST_ID)) as call:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                _expect_somebody(call, context)
                return self._response(wire, call)
        except Fault as fault:
            if fault.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id), _DO_NOT_RETRY))
            context.abort(fault.code, fault.details)  # raises
            return None

    def _response(self, wire: bytes, call: Call) -> bytes:
        try:
            request = self.request_type.FromString(wire)
        except DecodeError as error:
            kind = self.request_type.DESCRIPTOR.name
            raise invalid(f"the request is no {kind}: {error}") from error
        response = self.answer(request, call).SerializeToString()
        if 0 <= self.max_bytes < len(response):
            raise exhausted(
                f"the answer takes {len(response)} bytes, at most {self.max_bytes} are sent"
            )
        return response


def _expect_somebody(call: Call, context: grpc.ServicerContext) -> None:
    """Refuses to start for nobody (a Fault); notes in the call until when somebody waits."""
    remaining = context.time_remaining()
    if remaining is not None:
        if remaining <= 0:
            raise Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        call.deadline = time.monotonic() + remaining

    def nobody_waits() -> None:
        call.deadline = time.monotonic()

    if not context.add_callback(nobody_waits):
        raise Fault(grpc.StatusCode.CANCELLED, "Cancelled")
