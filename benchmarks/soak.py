"""A long run: many requests at a time while versions come and go, and memory that stays level.

20,000 requests at concurrency 32, one picture each, `serving_default` and `grad_cam` by turns,
while a new version is pushed every 5 s and the last but one is taken away. The versions have
weights A and B by turns, and every answer has to be the one of the version that it names. No
request may fail, and the median of the server's resident memory over the last tenth of the
requests is within 5% of that over the second tenth. The client tries nothing twice.

The model sees 32 pixels, so that the server and not the model is what works: about two minutes.
`--image-size 180 --requests 6000` takes as long at the size of the book.
"""

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import (
    Server,
    draw_pictures,
    export,
    milliseconds,
    picture_input,
    serving,
)
from serving import names

REQUESTS, CONCURRENCY, SWITCH_SECONDS = 20_000, 32, 5.0
MODEL, IMAGE_SIZE = "mini_xception", 32
SEEDS = (1, 2)  # of the weights, by turns
LIMIT = 0.05  # how far memory may move
TOLERANCE = 1e-4
_SAMPLE_SECONDS = 0.05
_PICTURES = 4


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY)
    parser.add_argument("--switch-seconds", type=float, default=SWITCH_SECONDS)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--image-size", type=int, default=IMAGE_SIZE)
    parser.add_argument("--server-flag", action="append", default=[], help="--NAME=VALUE")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(Path(scratch), args)), flush=True)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    import keras

    from components import models

    pictures = draw_pictures(folder / "pictures", _PICTURES)
    exports = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model = models.build(args.model, args.image_size, 2)
        exports.append(export(model, args.model, args.image_size, folder / f"export_{seed}"))
    base = folder / "base"
    base.mkdir()
    switcher = Switcher(base, exports, args.switch_seconds)
    switcher.push()
    flags = ["--file_system_poll_wait_seconds=0.5", "--access_log=off", *args.server_flag]
    with serving(args.model, base, *flags) as server:
        load = Load(server, args.model, pictures, [expected(one, pictures) for one in exports])
        meter = Meter(server, load)
        with switcher, meter:
            load.run(args.requests, args.concurrency)
    return {
        "benchmark": "soak",
        "model": args.model,
        "requests": args.requests,
        "concurrency": args.concurrency,
        "seconds": round(load.seconds, 1),
        "p50_ms": milliseconds(load.times),
        "p99_ms": milliseconds(load.times, 0.99),
        "pushed_every_seconds": args.switch_seconds,
        "versions_that_answered": len(load.versions),
        "failed": sum(load.failures.values()),
        "failures": dict(load.failures.most_common(5)),
        **meter.result(args.requests),
    }


class Switcher:
    """Pushes the next version every so many seconds, as long as the block lasts."""

    def __init__(self, base: Path, exports: list[Path], seconds: float):
        self._base, self._exports, self._seconds = base, exports, seconds
        self._version = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def push(self) -> None:
        """The next version, in one rename; the last but one goes."""
        self._version += 1
        beside = self._base.parent / "beside"
        shutil.copytree(self._exports[self._version % len(self._exports)], beside)
        beside.rename(self._base / str(self._version))
        shutil.rmtree(self._base / str(self._version - 2), ignore_errors=True)

    def _work(self) -> None:
        while not self._stop.wait(self._seconds):
            self.push()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Load:
    """So many requests from so many threads, each checked against what its version answers."""

    def __init__(
        self,
        server: Server,
        model: str,
        pictures: list[bytes],
        answers: list[dict[tuple[str, int], float]],
    ):
        self._server, self._answers = server, answers
        self._requests = [
            (key, request(model, key[0], pictures[key[1]])) for key in sorted(answers[0])
        ]
        self.done = 0
        self.seconds = 0.0
        self.times: list[float] = []
        self.versions: set[int] = set()
        self.failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self, requests: int, concurrency: int) -> None:
        import grpc

        from serving.wire import methods

        # Neither gRPC nor our client tries again: what fails is seen.
        options = (("grpc.enable_retries", 0), *methods.MESSAGE_SIZE_OPTIONS)
        numbers = count()
        begin = time.perf_counter()
        with grpc.insecure_channel(self._server.target, options=options) as channel:
            call = channel.unary_unary(methods.path(methods.PREDICTION_SERVICE, methods.PREDICT))

            def work() -> None:
                while (number := next(numbers)) < requests:
                    self._ask(call, *self._requests[number % len(self._requests)])

            with ThreadPoolExecutor(concurrency) as pool:
                for worker in [pool.submit(work) for _ in range(concurrency)]:
                    worker.result()
        self.seconds = time.perf_counter() - begin

    def _ask(self, call: Any, key: tuple[str, int], message: bytes) -> None:
        import grpc

        from serving.wire.serving_pb2 import PredictResponse
        from serving.wire.tensors import to_array

        begin = time.perf_counter()
        failure = ""
        version = 0
        try:
            response = PredictResponse.FromString(call(message, timeout=60))
            version = response.model_spec.version.value
            found = float(to_array(response.outputs[names.OUTPUT_PROBABILITY])[0])
            if abs(found - self._answers[version % len(self._answers)][key]) > TOLERANCE:
                failure = f"wrong answer {found} of {key}"
        except grpc.RpcError as error:
            failure = f"{error.code().name}: {error.details()}"
        taken = time.perf_counter() - begin
        with self._lock:
            self.done += 1
            self.times.append(taken)
            self.versions.add(version)
            if failure:
                self.failures[failure] += 1


def request(model: str, signature: str, picture: bytes) -> bytes:
    """A PredictRequest for the probability of one picture, as it goes over the wire."""
    from serving.wire.serving_pb2 import PredictRequest
    from serving.wire.tensors import to_proto

    message = PredictRequest(output_filter=[names.OUTPUT_PROBABILITY])
    if signature == names.SIGNATURE_GRAD_CAM:
        message.output_filter.append(names.OUTPUT_HEATMAP)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, value in picture_input(picture).items():
        message.inputs[name].CopyFrom(to_proto(value))
    return message.SerializeToString()


def expected(export_folder: Path, pictures: list[bytes]) -> dict[tuple[str, int], float]:
    """What an export answers in this process, by signature and number of the picture."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(export_folder))
    found = {}
    for number, picture in enumerate(pictures):
        answer = signature.signatures[names.SIGNATURE_SERVING](
            **{names.INPUT_IMAGE_BYTES: tf.constant([picture])}
        )
        # Both endpoints tell the probability of the predicted class.
        for name in (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM):
            found[name, number] = float(answer[names.OUTPUT_PROBABILITY][0])
    return found


class Meter:
    """Notes the server's memory and how many requests were done, as long as the block lasts."""

    def __init__(self, server: Server, load: Load):
        self._server, self._load = server, load
        self._samples: list[tuple[int, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self._samples.append((self._load.done, self._server.memory()))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def result(self, requests: int) -> dict[str, Any]:
        """Median memory in MiB of every tenth of the requests, and the last over the second."""
        tenths: list[list[int]] = [[] for _ in range(10)]
        for done, memory in self._samples:
            tenths[min(9, done * 10 // requests)].append(memory)
        medians = [round(float(np.median(taken)) / 2**20, 1) if taken else 0 for taken in tenths]
        return {
            "memory_mib": medians,
            "memory_change": round(medians[9] / medians[1] - 1, 4),
            "limit": LIMIT,
        }


if __name__ == "__main__":
    main()
