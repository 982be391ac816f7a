"""10,000 requests that no client should send: each is answered properly, and the server stays up.

Two thirds go over gRPC to every method (well-formed messages with odd content, mutated bytes, any
bytes), one third over REST (odd paths, mutated and odd JSON). A proper answer is a status that
tells whose fault it is, and why: over gRPC neither UNKNOWN nor INTERNAL nor a
timeout, over HTTP nothing from 500 on and a JSON object with an `error`. After each the process
runs and tells its model's status; after every hundredth it answers a good request as before.
Takes about three minutes; `--seed` makes another ten thousand.
"""

import argparse
import http.client
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.fuzz_http import HttpRequests
from benchmarks.fuzz_messages import METHODS, Messages
from benchmarks.serving import Server, draw_pictures, export, picture_input, serving
from serving import names

REQUESTS, SEED = 10_000, 1
NAME, IMAGE_SIZE = "mini_xception", 32
SECONDS = 30.0
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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--show", type=int, default=5, help="how many improper answers")
    parser.add_argument("--server-flag", action="append", default=[], help="--NAME=VALUE")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(Path(scratch), args)), flush=True)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    from components import models

    pictures = draw_pictures(folder / "pictures", 1)
    pictures.append(small_png())
    export(models.build(NAME, IMAGE_SIZE, 2), NAME, IMAGE_SIZE, folder / "base" / "1")
    flags = ["--rest_api_port=-1", "--access_log=off", "--file_system_poll_wait_seconds=0"]
    flags += args.server_flag
    with serving(NAME, folder / "base", *flags) as server:
        fuzzer = Fuzzer(server, folder / "base", pictures[1])
        signatures = [
            names.SIGNATURE_SERVING,
            names.SIGNATURE_GRAD_CAM,
            names.SIGNATURE_FROM_EXAMPLES,
            names.SIGNATURE_CLASSIFY,
            "__saved_model_init_op",
        ]
        served = NAME, pictures, signatures
        over_rest = args.requests // 3
        for strategy, send, count in (
            (Messages(*served).any(), fuzzer.grpc, args.requests - over_rest),
            (HttpRequests(*served).any(), fuzzer.rest, over_rest),
        ):
            run(strategy, send, count, args.seed)
        fuzzer.check_good()
    return {
        "benchmark": "fuzz",
        "requests": sum(fuzzer.answers.values()),
        "seed": args.seed,
        "answers": dict(sorted(fuzzer.answers.items())),
        "improper": len(fuzzer.improper),
        "examples": fuzzer.improper[: args.show],
        "limit": 0,
    }


def run(strategy: Any, send: Any, count: int, number: int) -> None:
    """Sends so many different requests."""

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def every(request: Any) -> None:
        send(*request)

    every()


def small_png() -> bytes:
    """A PNG of four by three pixels."""
    import tensorflow as tf

    return tf.io.encode_png(tf.fill([3, 4, 3], tf.constant(100, tf.uint8))).numpy()


class Fuzzer:
    """Sends requests to a server and keeps what it answers.

    Attributes:
        answers: how often each status came.
        improper: one line for each answer that is none.
    """

    def __init__(self, server: Server, base: Path, picture: bytes):
        import grpc

        from serving.client import ImageClient

        self._server, self._base = server, base
        self._channel = grpc.insecure_channel(server.target, (("grpc.enable_retries", 0),))
        self._client = ImageClient(server.target, NAME)
        self._picture = picture
        self._before = self._good()
        self.answers: Counter[str] = Counter()
        self.improper: list[str] = []

    def grpc(self, method: str, message: bytes) -> None:
        """One request over gRPC."""
        status, details = self._call(method, message)
        name = f"gRPC {status}"
        self.answers[name] += 1
        told = status == "OK" or details.strip()
        if status not in PROPER or not told or "Traceback" in details:
            self.improper.append(f"{name} {method} {message[:300]!r}: {details[:300]}")
        if method == "HandleReloadConfigRequest":
            self._restore()
        self._check_up()

    def rest(self, method: str, path: str, body: bytes) -> None:
        """One request over HTTP."""
        connection = http.client.HTTPConnection(self._server.rest, timeout=SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, text = str(answer.status), answer.read()
        except (OSError, http.client.HTTPException) as error:
            status, text = type(error).__name__, str(error).encode()
        finally:
            connection.close()
        self.answers[f"HTTP {status}"] += 1
        proper = status.isdigit() and int(status) < 500
        if proper and int(status) >= 400 and method != "HEAD":
            proper = _tells_an_error(text)
        if not proper:
            request = f"{method} {path[:200]} {body[:300]!r}"
            self.improper.append(f"HTTP {status} {request}: {text[:300]!r}")
        self._check_up()

    def check_good(self) -> None:
        """Raises unless a good request is answered as before."""
        if self._good() != self._before:
            raise AssertionError("a good request is answered differently than before")

    def _good(self) -> float:

        answer = self._client.call(names.SIGNATURE_SERVING, picture_input(self._picture))
        return float(answer[names.OUTPUT_PROBABILITY][0])

    def _call(self, method: str, message: bytes) -> tuple[str, str]:
        import grpc

        call = self._channel.unary_unary(f"/{METHODS[method]}/{method}")
        try:
            call(message, timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        return "OK", ""

    def _restore(self) -> None:
        """Serves the model again, whatever a configuration made of it."""
        from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

        request = ReloadConfigRequest()
        request.config.model_config_list.config.add(
            name=NAME, base_path=str(self._base), model_platform="tensorflow"
        )
        status, details = self._call("HandleReloadConfigRequest", request.SerializeToString())
        if status != "OK":
            raise AssertionError(f"the configuration cannot be restored: {status} {details}")

    def _check_up(self) -> None:
        if self._server.process.poll() is not None:
            raise AssertionError(f"the server ended; the last answers: {self.answers}")
        states = [version.state for version in self._client.status()]
        if "AVAILABLE" not in states:
            raise AssertionError(f"the model is not served: {states}")
        if sum(self.answers.values()) % _GOOD_EVERY == 0:
            self.check_good()


def _tells_an_error(text: bytes) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and isinstance(message.get("error"), str)


if __name__ == "__main__":
    main()
