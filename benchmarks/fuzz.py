"""Requests that no client should send: each is answered properly, and the server stays up.

- `fuzz_pictures`: 10,000 times one to three pictures whose headers tell anything, for an answer or
  a heatmap. The server's memory is at its peak at most 1.5 times that after the largest pictures
  that it takes.
- `fuzz`: of 10,000 requests two thirds over gRPC to every method (well-formed messages with odd
  content, mutated bytes, any bytes), one third over REST (odd paths, mutated and odd JSON).

A proper answer is a status that tells whose fault it is, and why: over gRPC neither UNKNOWN nor
INTERNAL nor a timeout, over HTTP nothing from 500 on but 501 and a JSON object with an `error`.
After each the process runs and tells its model's status; after every hundredth it answers a good
request as before. Takes about six minutes; `--seed` makes another ten thousand of each.
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

from benchmarks import serving as served
from benchmarks.fuzz_requests import METHODS, Requests, odd_pictures
from benchmarks.serving import ENDPOINTS, FLAGS, MODEL, Server, image_input, picture
from benchmarks.tools import Result, benchmark
from serving import names
from serving.client import ImageClient
from serving.server.config_files import single_model

IMAGE_SIZE = 32
SECONDS = 30.0
LOAD_SECONDS = 60.0  # the model is loaded again, and warmed up
RELOAD, RELOAD_REQUEST = METHODS["HandleReloadConfigRequest"]
PROPER = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}
PROPER |= {"UNIMPLEMENTED", "OUT_OF_RANGE", "ALREADY_EXISTS"}
_LARGEST = (10_000, 5_000)
_GOOD_EVERY = 100
_EXAMPLES = 5  # of improper answers


def measure(folder: Path, requests: int = 10_000, seed: int = 1) -> Iterator[Result]:
    base, small = folder / "base", picture("PNG", (4, 3))
    served.export(served.build(MODEL, IMAGE_SIZE), base / "1")
    with served.serving(MODEL, base, *FLAGS) as server:
        fuzzer = Fuzzer(server, MODEL, base, small)
        for kind in ("JPEG", "PNG", "GIF", "WEBP"):  # of BMP none fits into a message
            for endpoint in ENDPOINTS:
                fuzzer.client.call(endpoint, image_input(picture(kind, _LARGEST)))
        allowed = served.memory(server, "VmHWM")
        fuzzer.run(odd_pictures(MODEL), fuzzer.grpc, requests, seed)
        peak = served.memory(server, "VmHWM")
        yield {
            "benchmark": "fuzz_pictures",
            **fuzzer.told(seed),
            "peak_mib": peak >> 20,
            "peak_allowed_mib": allowed >> 20,
            "ratio": round(peak / allowed, 3),
            "limit": 1.5,
        }
        images = [*served.draw_images(folder / "images", 1), small]
        fuzzer = fuzz(server, MODEL, base, images, requests=requests, seed=seed)
        yield fuzzer.told(seed) | {"limit": 0}


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
    fuzzer.run(made.grpc(), fuzzer.grpc, requests - requests // 3, seed)
    fuzzer.run(made.rest(), fuzzer.rest, requests // 3, seed)
    return fuzzer


class Fuzzer:
    """Sends requests to a server and keeps what it answers.

    Attributes:
        client: asks properly.
        answers: how often each status came.
        improper: one line for each answer that is none.
    """

    def __init__(self, server: Server, model: str, base: Path, image: bytes):
        self._server, self._model, self._base, self._image = server, model, base, image
        self._channel = grpc.insecure_channel(server.target, (("grpc.enable_retries", 0),))
        self.client = ImageClient(server.target, model)
        self._before = self._good()
        self.answers: Counter[str] = Counter()
        self.improper: list[str] = []

    def run(self, strategy: Any, send: Any, count: int, seed: int) -> None:
        """Sends so many different requests; raises unless the server is as before."""
        how = settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seeded(seed)(how(given(strategy)(lambda request: send(*request))))()
        self._check_good()

    def grpc(self, path: str, message: bytes) -> None:
        """One request over gRPC."""
        status, details = self._call(path, message)
        proper = status in PROPER and (status == "OK" or details.strip())
        if path == RELOAD:
            self._restore()
        told = f"{path} {message[:300]!r}: {details[:300]}"
        self._note(f"gRPC {status}", proper and "Traceback" not in details, told)

    def rest(self, method: str, path: str, body: bytes) -> None:
        """One request over HTTP."""
        with closing(http.client.HTTPConnection(self._server.rest, timeout=SECONDS)) as connection:
            try:
                connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
                proper = status == 501 or status < 500
                if status >= 400 and method != "HEAD":
                    proper = proper and isinstance(json.loads(text)["error"], str)
            except (OSError, http.client.HTTPException) as error:
                status, text, proper = type(error).__name__, str(error).encode(), False
            except (ValueError, LookupError, TypeError):  # no JSON, or no object, or no `error`
                proper = False
        told = f"{method} {path[:200]} {body[:300]!r}: {text[:300]!r}"
        self._note(f"HTTP {status}", proper, told)

    def told(self, seed: int) -> Result:
        """What came of it."""
        return {
            "requests": self.answers.total(),
            "seed": seed,
            "answers": dict(sorted(self.answers.items())),
            "improper": len(self.improper),
            "examples": self.improper[:_EXAMPLES],
        }

    def _good(self) -> float:
        answer = self.client.call(names.SIGNATURE_SERVING, image_input(self._image))
        return float(answer[names.OUTPUT_PROBABILITY][0])

    def _check_good(self) -> None:
        if self._good() != self._before:
            raise AssertionError("a good request is answered differently than before")

    def _call(self, path: str, message: bytes, seconds: float = SECONDS) -> tuple[str, str]:
        try:
            self._channel.unary_unary(path)(message, timeout=seconds)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        return "OK", ""

    def _restore(self) -> None:
        """Serves the model again, whatever a configuration made of it."""
        request = RELOAD_REQUEST(config=single_model(self._model, str(self._base)))
        status, details = self._call(RELOAD, request.SerializeToString(), LOAD_SECONDS)
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
            self._check_good()


if __name__ == "__main__":
    benchmark(measure)
