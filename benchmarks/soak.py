"""A long run: many requests at a time while versions come and go, and memory that stays level.

20,000 requests at concurrency 32, one image each, `serving_default` and `grad_cam` by turns,
while a new version is pushed every 5 s and the last but one is taken away. The versions have
weights A and B by turns, and every answer has to be the one of the version that it names. No
request may fail, and the median of the server's resident memory over the last tenth of the
requests is within 5% of that over the second tenth. The client tries nothing twice.

The model sees 32 pixels, so that the server and not the model is what works: about two minutes.
`--image-size 180 --requests 6000` takes as long at the size of the book.
"""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.serving import draw_images, export, image_input, memory, serving
from benchmarks.tools import Result, benchmark, milliseconds
from serving import names

SEEDS = (1, 2)  # of the weights, by turns
LIMIT = 0.05  # how far memory may move
TOLERANCE = 1e-4
_SAMPLE_SECONDS = 0.05
_IMAGES = 4


def measure(
    folder: Path,
    *,
    requests: int,
    concurrency: int,
    switch_seconds: float,
    model: str,
    image_size: int,
    server_flag: list[str],
) -> Iterator[Result]:
    images = draw_images(folder / "images", _IMAGES)
    exports = [folder / f"export_{seed}" for seed in SEEDS]
    for seed, place in zip(SEEDS, exports, strict=True):
        export(model, image_size, place, seed)
    base = folder / "base"
    base.mkdir()
    numbers = count(1)

    def push() -> None:
        """The next version, in one rename; the last but one goes."""
        version = next(numbers)
        beside = folder / "beside"
        shutil.copytree(exports[version % len(exports)], beside)
        beside.rename(base / str(version))
        shutil.rmtree(base / str(version - 2), ignore_errors=True)

    push()
    flags = ["--file_system_poll_wait_seconds=0.5", "--access_log=off", *server_flag]
    with serving(model, base, *flags) as server:
        load = Load(model, images, [expected(one, images) for one in exports])
        samples: list[tuple[int, int]] = []

        def sample() -> None:
            samples.append((len(load.times), memory(server)))

        with every(switch_seconds, push), every(_SAMPLE_SECONDS, sample):
            load.run(server.target, requests, concurrency)
    yield {
        "model": model,
        "requests": requests,
        "concurrency": concurrency,
        "seconds": round(load.seconds, 1),
        "p50_ms": milliseconds(load.times),
        "p99_ms": milliseconds(load.times, 0.99),
        "pushed_every_seconds": switch_seconds,
        "versions_that_answered": len(load.versions),
        "failed": sum(load.failures.values()),
        "failures": dict(load.failures.most_common(5)),
        **memory_result(samples, requests),
    }


@contextmanager
def every(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Does something every so many seconds, as long as the block lasts."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(seconds):
            action()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Load:
    """So many requests from so many threads, each checked against what its version answers."""

    def __init__(
        self, model: str, images: list[bytes], answers: list[dict[tuple[str, int], float]]
    ):
        self._answers = answers
        self._requests = [
            (key, request(model, key[0], images[key[1]])) for key in sorted(answers[0])
        ]
        self.seconds = 0.0
        self.times: list[float] = []
        self.versions: set[int] = set()
        self.failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self, target: str, requests: int, concurrency: int) -> None:
        import grpc

        from serving.wire import methods

        # Neither gRPC nor our client tries again: what fails is seen.
        options = (("grpc.enable_retries", 0), *methods.MESSAGE_SIZE_OPTIONS)
        begin = time.perf_counter()
        with (
            grpc.insecure_channel(target, options=options) as channel,
            ThreadPoolExecutor(concurrency) as pool,
        ):
            call = channel.unary_unary(methods.path(methods.PREDICTION_SERVICE, methods.PREDICT))
            list(pool.map(partial(self._ask, call), islice(cycle(self._requests), requests)))
        self.seconds = time.perf_counter() - begin

    def _ask(self, call: Callable[..., bytes], asked: tuple[tuple[str, int], bytes]) -> None:
        import grpc

        from serving.wire.messages_pb2 import PredictResponse
        from serving.wire.tensors import to_array

        key, message = asked
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
            self.times.append(taken)
            self.versions.add(version)
            if failure:
                self.failures[failure] += 1


def request(model: str, signature: str, image: bytes) -> bytes:
    """A PredictRequest for the probability of one image, as it goes over the wire."""
    from serving.wire.messages_pb2 import PredictRequest
    from serving.wire.tensors import to_proto

    message = PredictRequest(output_filter=[names.OUTPUT_PROBABILITY])
    if signature == names.SIGNATURE_GRAD_CAM:
        message.output_filter.append(names.OUTPUT_HEATMAP)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, value in image_input(image).items():
        message.inputs[name].CopyFrom(to_proto(value))
    return message.SerializeToString()


def expected(export_folder: Path, images: list[bytes]) -> dict[tuple[str, int], float]:
    """What an export answers in this process, by signature and number of the image."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(export_folder))
    found = {}
    for number, image in enumerate(images):
        answer = signature.signatures[names.SIGNATURE_SERVING](
            **{names.INPUT_IMAGE_BYTES: tf.constant([image])}
        )
        # Both endpoints tell the probability of the predicted class.
        for name in (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM):
            found[name, number] = float(answer[names.OUTPUT_PROBABILITY][0])
    return found


def memory_result(samples: list[tuple[int, int]], requests: int) -> Result:
    """Of requests done and the server's memory then, medians in MiB of every tenth of the requests.

    Also the last over the second.
    """
    tenths: list[list[int]] = [[] for _ in range(10)]
    for done, taken in samples:
        tenths[min(9, done * 10 // requests)].append(taken)
    medians = [round(float(np.median(taken)) / 2**20, 1) if taken else 0 for taken in tenths]
    change = round(medians[9] / medians[1] - 1, 4)
    return {"memory_mib": medians, "memory_change": change, "limit": LIMIT}


if __name__ == "__main__":
    benchmark(
        measure,
        requests=20_000,
        concurrency=32,
        switch_seconds=5.0,
        model="mini_xception",
        image_size=32,
        server_flag=[],
    )
