"""10,000 requests that no client should send: each is answered properly, and the server stays up.

Two thirds go over gRPC to every method (well-formed messages with odd content, mutated bytes, any
bytes), one third over REST (odd paths, mutated and odd JSON). A proper answer is a status that
tells whose fault it is, and why: over gRPC neither UNKNOWN nor INTERNAL nor a timeout, over HTTP
nothing from 500 on but 501 and a JSON object with an `error`. After each the process runs and
tells its model's status; after every hundredth it answers a good request as before.
Takes about three minutes; `--seed` makes another ten thousand.
"""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from benchmarks.fuzz_requests import Requests, methods
from benchmarks.serving import Server, draw_images, export, image_input, picture, serving
from benchmarks.tools import Result, benchmark
from serving import names
from serving.client import ImageClient
from serving.server.config_files import single_model

NAME, IMAGE_SIZE = "mini_xception", 32
SMALL = (4, 3)  # pixels, of a good picture
SECONDS = 30.0
LOAD_SECONDS = 60.0  # the model is loaded again, and warmed up
FLAGS = ["--rest_api_port=-1", "--access_log=off", "--file_system_poll_wait_seconds=0"]
RELOAD = "HandleReloadConfigRequest"
PROPER = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
    "OUT_OF_RANGE",
    "ALREADY_EXISTS",
}
_GOOD_EVERY = 100


def measure(
    folder: Path, requests: int, seed: int, show: int, server_flag: list[str]
) -> Iterator[Result]:
    images = [*draw_images(folder / "images", 1), picture("PNG", SMALL)]
    export(NAME, IMAGE_SIZE, folder / "base" / "1")
    with serving(NAME, folder / "base", *FLAGS, *server_flag) as server:
        fuzzer = fuzz(server, NAME, folder / "base", images, requests=requests, seed=seed)
    yield fuzzer.told(show) | {"seed": seed, "limit": 0}


def fuzz(
    server: Server,
    model: str,
    base: Path,
    images: list[bytes],
    *,
    requests: int,
    seed: int,
    leave_out: str = "",
) -> "Fuzzer":
    """Sends so many requests to a model, but none to the signature that is left out."""
    fuzzer = Fuzzer(server, model, base, images[-1])
    signatures = {k: v for k, v in fuzzer.client.metadata().signatures.items() if k != leave_out}
    made = Requests(model, images, signatures)
    run(made.grpc(), fuzzer.grpc, requests - requests // 3, seed)
    run(made.rest(), fuzzer.rest, requests // 3, seed)
    fuzzer.check_good()
    return fuzzer


def run(strategy: Any, send: Any, count: int, seed: int) -> None:
    """Sends so many different requests."""
    how = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seeded(seed)(how(given(strategy)(lambda request: send(*request))))()


class Fuzzer:
    """Sends requests to a server and keeps what it answers.

    Attributes:
        client: asks properly.
        answers: how often each status came.
        improper: one line for each answer that is none.
    """

    def __init__(self, server: Server, model: str, base: Path, image: bytes):
        self._server, self._model, self._base = server, model, base
        self._channel = grpc.insecure_channel(server.target, (("grpc.enable_retries", 0),))
        self.client = ImageClient(server.target, model)
        self._image = image
        self._before = self._good()
        self.answers: Counter[str] = Counter()
        self.improper: list[str] = []

    def grpc(self, path: str, message: bytes) -> None:
        """One request over gRPC."""
        status, details = self._call(path, message)
        told = status == "OK" or details.strip()
        proper = status in PROPER and told and "Traceback" not in details
        if path.endswith(RELOAD):
            self._restore()
        self._note(f"gRPC {status}", proper, f"{path} {message[:300]!r}: {details[:300]}")

    def rest(self, method: str, path: str, body: bytes) -> None:
        """One request over HTTP."""
        with closing(http.client.HTTPConnection(self._server.rest, timeout=SECONDS)) as connection:
            try:
                connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                status, text = str(answer.status), answer.read()
            except (OSError, http.client.HTTPException) as error:
                status, text = type(error).__name__, str(error).encode()
        proper = status.isdigit() and (int(status) < 500 or status == "501")
        if proper and int(status) >= 400 and method != "HEAD":
            proper = _tells_an_error(text)
        request = f"{method} {path[:200]} {body[:300]!r}"
        self._note(f"HTTP {status}", proper, f"{request}: {text[:300]!r}")

    def check_good(self) -> None:
        """Raises unless a good request is answered as before."""
        if self._good() != self._before:
            raise AssertionError("a good request is answered differently than before")

    def told(self, examples: int) -> Result:
        """What came of it, with so many of the improper answers."""
        return {
            "requests": self.answers.total(),
            "answers": dict(sorted(self.answers.items())),
            "improper": len(self.improper),
            "examples": self.improper[:examples],
        }

    def _good(self) -> float:
        answer = self.client.call(names.SIGNATURE_SERVING, image_input(self._image))
        return float(answer[names.OUTPUT_PROBABILITY][0])

    def _call(self, path: str, message: bytes, seconds: float = SECONDS) -> tuple[str, str]:
        call = self._channel.unary_unary(path)
        try:
            call(message, timeout=seconds)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        return "OK", ""

    def _restore(self) -> None:
        """Serves the model again, whatever a configuration made of it."""
        path, kind = methods()[RELOAD]
        request = kind(config=single_model(self._model, str(self._base)))
        status, details = self._call(path, request.SerializeToString(), LOAD_SECONDS)
        if status != "OK":
            raise AssertionError(f"the configuration cannot be restored: {status} {details}")

    def _note(self, status: str, proper: Any, told: str) -> None:
        """Counts an answer; the server has to be up after it."""
        self.answers[status] += 1
        if not proper:
            self.improper.append(f"{status} {told}")
        if self._server.process.poll() is not None:
            raise AssertionError(f"the server ended; the last answers: {self.answers}")
        states = [version.state for version in self.client.status()]
        if "AVAILABLE" not in states:
            raise AssertionError(f"the model is not served: {states}")
        if self.answers.total() % _GOOD_EVERY == 0:
            self.check_good()


def _tells_an_error(text: bytes) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and isinstance(message.get("error"), str)


if __name__ == "__main__":
    benchmark(measure, requests=10_000, seed=1, show=5, server_flag=[])
