"""Attacks on a running server, one after the other, beside a client that behaves.

Each attack lasts a few seconds, over REST or gRPC: requests that never end, heads without bodies,
streams that nobody uses, more connections than there are descriptors, JSON that costs more than its
bytes, names that nobody serves. Meanwhile the client asks for a prediction over both and for the
server's health, again and again. One line tells its failures and its p99 while it was quiet and
during each attack; and what the server's memory, threads and descriptors grew by until the end.
Takes about two minutes.
"""

import base64
import gzip
import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.fuzz_requests import methods
from benchmarks.serving import Server, export, image_input, memory, picture, serving
from benchmarks.tools import Result, benchmark, milliseconds
from serving import names
from serving.client import ImageClient

NAME, IMAGE_SIZE = "mini_xception", 64
LIMIT = 5.0  # times the p99 of a quiet server
FLAGS = ["--rest_api_port=-1", "--access_log=off", "--file_system_poll_wait_seconds=0"]
_EVERY = 0.05  # seconds between two requests of the client
_PATH = f"/v1/models/{NAME}:predict"
_IMAGE = picture("PNG", (8, 8))
_BODY = json.dumps({"instances": [{"b64": base64.b64encode(_IMAGE).decode()}]}).encode()

# Attacks a server; what it opens is held until the end of the attack.
Attack = Callable[[Server, ExitStack], None]


def measure(folder: Path, seconds: float, server_flag: list[str]) -> Iterator[Result]:
    export(NAME, IMAGE_SIZE, folder / "base" / "1")
    with serving(NAME, folder / "base", *FLAGS, *server_flag) as server:
        yield attack(server, seconds)


def attack(server: Server, seconds: float) -> Result:
    """All attacks, each for so many seconds; what the client saw of them, and what they left."""
    client = _Client(server)
    client.watch(seconds / 2)  # warm
    quiet, _ = client.watch(2 * seconds)
    before = _resources(server)
    told, failures = {}, []
    for one in ATTACKS:
        with ExitStack() as held:
            thread = threading.Thread(target=_quietly, args=(one, server, held), daemon=True)
            thread.start()
            told[one.__name__], failed = client.watch(seconds)
            failures += [f"{one.__name__}: {failure}" for failure in failed]
            thread.join(seconds)
    time.sleep(2.0)
    after = _resources(server)
    return {
        "p99_ms": {"quiet": quiet} | told,
        "worst_over_quiet": round(max(told.values()) / quiet, 2),
        "limit": LIMIT,
        "failed": len(failures),
        "failures": failures[:5],
        "grown_by": {name: after[name] - before[name] for name in after},
    }


class _Client:
    """Asks properly, over gRPC and REST, in turn with health checks."""

    def __init__(self, server: Server):
        self._client = ImageClient(server.target, NAME)
        self._health = health_pb2_grpc.HealthStub(grpc.insecure_channel(server.target))
        self._image, self._server = image_input(_IMAGE), server
        self._connection = http.client.HTTPConnection(server.rest, timeout=20)

    def watch(self, seconds: float) -> tuple[float, list[str]]:
        """The p99 of its requests in milliseconds, and what failed."""
        taken, failed, end = [], [], time.monotonic() + seconds
        asks = (self._grpc, self._rest, self._check)
        while time.monotonic() < end:
            for ask in asks:
                start = time.perf_counter()
                try:
                    ask()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                    failed.append(f"{ask.__name__}: {error!r}"[:300])
                taken.append(time.perf_counter() - start)
                time.sleep(_EVERY)
        return milliseconds(taken, 0.99), failed

    def _grpc(self) -> None:
        self._client.call(names.SIGNATURE_SERVING, self._image)

    def _rest(self) -> None:
        self._connection.request("POST", _PATH, _BODY)
        answer = self._connection.getresponse()
        if answer.read() and answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")

    def _check(self) -> None:
        self._health.Check(health_pb2.HealthCheckRequest(), timeout=20)


def _resources(server: Server) -> dict[str, int]:
    folder = Path(f"/proc/{server.process.pid}")
    return {
        "mib": memory(server) >> 20,
        "threads": len(list((folder / "task").iterdir())),
        "descriptors": len(list((folder / "fd").iterdir())),
    }


def _quietly(one: Attack, server: Server, held: ExitStack) -> None:
    with suppress(OSError, http.client.HTTPException, grpc.RpcError):
        one(server, held)


def _connect(server: Server, held: ExitStack, sent: bytes) -> socket.socket:
    host, port = server.rest.split(":")
    made = held.enter_context(socket.create_connection((host, int(port)), timeout=10))
    made.sendall(sent)
    return made


def _post(server: Server, body: bytes, path: str = _PATH, **headers: str) -> int:
    with closing(http.client.HTTPConnection(server.rest, timeout=20)) as connection:
        connection.request("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        return connection.getresponse().status


def _head(length: int) -> bytes:
    return f"POST {_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def half_heads(server: Server, held: ExitStack) -> None:
    for _ in range(200):
        _connect(server, held, b"POST / HTTP/1.1\r\nHost: x\r\n")


def endless_bodies(server: Server, held: ExitStack) -> None:
    for _ in range(200):
        _connect(server, held, _head(1000) + b"{")


def large_bodies(server: Server, held: ExitStack) -> None:
    for _ in range(10):
        _connect(server, held, _head(60_000_001) + b" " * 60_000_000)


def many_connections(server: Server, held: ExitStack) -> None:
    for target in (server.rest, server.target) * resource.getrlimit(resource.RLIMIT_NOFILE)[0]:
        host, port = target.split(":")
        held.enter_context(socket.create_connection((host, int(port)), timeout=10))


def dear_json(server: Server, _: ExitStack) -> None:
    packed = gzip.compress(b"[" + b"[]," * 10**7 + b"[]]")
    for body in (
        packed,
        gzip.compress(b"[" * 10**7),
        gzip.compress(b"[" + b"1," * 400_000 + b"1]"),
    ):
        _post(server, body, content_encoding="gzip")


def equal_names(server: Server, _: ExitStack) -> None:
    pairs = [f'"{number}": 1' for number in range(50_000)]
    _post(server, f"{{{', '.join([*pairs, pairs[0]])}}}".encode())


def nested_lists(server: Server, _: ExitStack) -> None:
    for depth in (65, 500, 100_000):
        _post(server, b'{"instances": ' + b"[" * depth + b"]" * depth + b"}")


def invented_names(server: Server, _: ExitStack) -> None:
    for number in range(300):
        _post(server, b"{}", f"/v1/models/{number}{'x' * 1000 * (number % 50)}:predict")


def callers_that_leave(server: Server, held: ExitStack) -> None:
    for _ in range(100):
        _connect(server, held, _head(len(_BODY)) + _BODY).close()


def odd_lengths(server: Server, held: ExitStack) -> None:
    for line in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: -1", "Bad"):
        _connect(server, held, f"POST {_PATH} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())


def _calls(server: Server, held: ExitStack, kind: str, path: str, count: int) -> None:
    """Calls that send a head and nothing else."""
    never = threading.Event()
    held.callback(never.set)

    def nothing() -> Iterator[Any]:
        never.wait(60)
        yield from ()

    channel = held.enter_context(grpc.insecure_channel(server.target))
    calls = [getattr(channel, kind)(path)(nothing()) for _ in range(count)]
    held.callback(lambda: [call.cancel() for call in calls])


def calls_without_message(server: Server, held: ExitStack) -> None:
    _calls(server, held, "stream_stream", methods()["Predict"][0], 300)


def idle_reflections(server: Server, held: ExitStack) -> None:
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    _calls(server, held, "stream_stream", path, 140)


def watches(server: Server, held: ExitStack) -> None:
    channel = held.enter_context(grpc.insecure_channel(server.target))
    watch = health_pb2_grpc.HealthStub(channel).Watch
    streams = [watch(health_pb2.HealthCheckRequest()) for _ in range(300)]
    held.callback(lambda: [stream.cancel() for stream in streams])


def cancelled_calls(server: Server, held: ExitStack) -> None:
    channel = held.enter_context(grpc.insecure_channel(server.target))
    call = channel.unary_unary(methods()["Predict"][0])
    for number in range(300):
        call.future(b"", timeout=60 if number % 5 else 0.001).cancel()


def large_messages(server: Server, held: ExitStack) -> None:
    channel = held.enter_context(grpc.insecure_channel(server.target))
    call = channel.unary_unary(methods()["Predict"][0])
    with ThreadPoolExecutor(2) as pool:
        for size in (70_000_000, 60_000_000):
            pool.submit(_quietly, lambda *_, size=size: call(b"x" * size, timeout=20), server, held)


ATTACKS: tuple[Attack, ...] = (
    half_heads,
    endless_bodies,
    large_bodies,
    many_connections,
    dear_json,
    equal_names,
    nested_lists,
    invented_names,
    callers_that_leave,
    odd_lengths,
    calls_without_message,
    idle_reflections,
    watches,
    cancelled_calls,
    large_messages,
)


if __name__ == "__main__":
    benchmark(measure, seconds=4.0, server_flag=[])
