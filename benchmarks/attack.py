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
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.serving import FLAGS, MODEL, Server, build, export, memory, picture, serving
from benchmarks.tools import Result, benchmark, milliseconds
from serving.client import ImageClient
from serving.wire import methods

LIMIT = 5.0  # times the p99 of a quiet server
_EVERY = 0.05  # seconds between two requests of the client
_PATH = f"/v1/models/{MODEL}:predict"
_IMAGE = picture("PNG", (8, 8))
_BODY = json.dumps({"instances": [{"b64": base64.b64encode(_IMAGE).decode()}]}).encode()


def measure(folder: Path, seconds: float = 4.0) -> Iterator[Result]:
    export(build(MODEL, 64), folder / "base" / "1")
    with serving(MODEL, folder / "base", *FLAGS) as server:
        yield attack(server, seconds)


def attack(server: Server, seconds: float) -> Result:
    """All attacks, each for so many seconds; what the client saw of them, and what they left."""
    asks = _asks(server)
    _watch(asks, seconds / 2)  # warm
    quiet, _ = _watch(asks, 2 * seconds)
    before = _resources(server)
    told, failures = {}, []
    # A process of its own: the client must not wait for what the attacker does in Python. It starts
    # soon, for nothing here needs TensorFlow.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as attacker:
        attacker.submit(_attack, "", "", "", 0.0).result()  # it has imported all now
        for name in (*RAW, *CALLS):
            under_way = attacker.submit(_attack, name, server.rest, server.target, seconds)
            told[name], failed = _watch(asks, seconds)
            failures += [f"{name}: {failure}" for failure in failed]
            under_way.result()
    time.sleep(7.0)  # in which memory goes back to the system
    return {
        "p99_ms": {"quiet": quiet} | told,
        "worst_over_quiet": round(max(told.values()) / quiet, 2),
        "limit": LIMIT,
        "failed": len(failures),
        "failures": failures[:5],
        "grown_by": {name: after - before[name] for name, after in _resources(server).items()},
    }


def _asks(server: Server) -> list[Callable[[], object]]:
    """What a client that behaves asks: over gRPC, over REST, and for the server's health."""
    client = ImageClient(server.target, MODEL)
    health = health_pb2_grpc.HealthStub(grpc.insecure_channel(server.target))
    connection = http.client.HTTPConnection(server.rest, timeout=20)

    def rest() -> None:
        connection.request("POST", _PATH, _BODY)
        answer = connection.getresponse()
        if answer.read() and answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")

    check = partial(health.Check, health_pb2.HealthCheckRequest(), timeout=20)
    return [partial(client.predict, [_IMAGE]), rest, check]


def _watch(asks: list[Callable[[], object]], seconds: float) -> tuple[float, list[str]]:
    """The p99 of the client's requests in milliseconds, and what failed."""
    taken, failed, end = [], [], time.monotonic() + seconds
    while time.monotonic() < end:
        for ask in asks:
            start = time.perf_counter()
            try:
                ask()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                failed.append(repr(error)[:300])
            taken.append(time.perf_counter() - start)
            time.sleep(_EVERY)
    return milliseconds(taken, 0.99), failed


def _resources(server: Server) -> dict[str, int]:
    folder = Path(f"/proc/{server.process.pid}")
    threads, descriptors = (len(list((folder / name).iterdir())) for name in ("task", "fd"))
    return {"mib": memory(server) >> 20, "threads": threads, "descriptors": descriptors}


def _post(body: bytes, path: str = _PATH, length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{more}\r\n"
    return head.encode() + body


def _packed(body: bytes) -> bytes:
    return _post(gzip.compress(body), more="Content-Encoding: gzip\r\n")


def _equal_names() -> bytes:
    pairs = ", ".join(f'"{number % 50_000}": 1' for number in range(50_001))
    return f"{{{pairs}}}".encode()


# What is sent, each text on a connection that stays until the end of the attack.
RAW: dict[str, Callable[[], Iterable[bytes]]] = {
    "heads that never end": lambda: [b"POST / HTTP/1.1\r\nHost: x\r\n"] * 200,
    "bodies that never end": lambda: [_post(b"{", length=1000)] * 200,
    "large bodies that never end": lambda: [_post(b" " * 60_000_000, length=60_000_001)] * 10,
    "connections": lambda: [b""] * 1000,  # to both ports
    "dear JSON": lambda: map(_packed, (b"[]," * 10**7, b"[" * 10**7, b"1," * 400_000)),
    "equal names": lambda: [_post(_equal_names())] * 3,
    "nested lists": lambda: [_post(b'{"instances": ' + b"[" * n) for n in (65, 500, 100_000)],
    "invented names": lambda: [
        _post(b"{}", f"/v1/models/{number}{'x' * 1000 * (number % 50)}:predict")
        for number in range(300)
    ],
    "answers that nobody reads": lambda: (
        [f"GET /v1/models/{MODEL}/metadata HTTP/1.1\r\nHost: x\r\n\r\n".encode()] * 100
    ),
    "odd lengths": lambda: [
        _post(b"", more="Transfer-Encoding: chunked\r\n"),
        _post(b"", length=-1),
        _post(b"", more="Bad\r\n"),
    ],
}


def _never() -> Iterator[bytes]:
    time.sleep(60)
    yield b""


_PREDICT = f"/{methods.PREDICTION_SERVICE}/Predict"
_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
# Calls over gRPC, cancelled at the end of the attack: how many, path, and their requests.
CALLS: dict[str, tuple[int, str, Callable[[], Iterator[bytes]]]] = {
    "calls without message": (300, _PREDICT, _never),
    "streams of reflection": (140, _REFLECTION, _never),
    "watches": (300, "/grpc.health.v1.Health/Watch", lambda: iter([b""])),
    "large messages": (4, _PREDICT, lambda: iter([b"x" * 60_000_000])),
    "dear messages": (3, _PREDICT, lambda: iter([b"\x12\x00" * 30_000_000])),
    "messages that are too large": (4, _PREDICT, lambda: iter([b"x" * 70_000_000])),
    "calls that are cancelled": (300, _PREDICT, lambda: iter([b""])),
}


def _attack(name: str, rest: str, target: str, seconds: float) -> None:
    """One attack; what it holds it lets go after so many seconds."""
    end = time.monotonic() + seconds
    with ExitStack() as held:
        if name in CALLS:
            count, path, requests = CALLS[name]
            channel = held.enter_context(grpc.insecure_channel(target))
            calls = [channel.stream_stream(path)(requests()) for _ in range(count)]
            held.callback(lambda: [call.cancel() for call in calls])
        with suppress(OSError):  # what a server that defends itself does to a connection
            for text in RAW.get(name, list)():
                for address in (rest,) if text else (rest, target):
                    host, port = address.split(":")
                    made = socket.create_connection((host, int(port)), timeout=10)
                    held.enter_context(made).sendall(text)
        time.sleep(max(end - time.monotonic(), 0.0))


if __name__ == "__main__":
    benchmark(measure)
