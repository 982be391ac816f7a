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
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count, cycle, islice
from pathlib import Path

import grpc
import numpy as np
from google.protobuf.message import Message

from benchmarks.predict import saved_model_call
from benchmarks.serving import draw_images, export, image_input, memory, serving
from benchmarks.tools import Result, benchmark, milliseconds
from serving import names
from serving.client import exchanges
from serving.client.connection import PREDICT
from serving.server.polling import Poller
from serving.wire import methods
from serving.wire.messages_pb2 import ModelSpec
from serving.wire.tensors import to_array

SEEDS = (1, 2)  # of the weights, by turns
LIMIT = 0.05  # how far memory may move
TOLERANCE = 1e-4
_SAMPLE_SECONDS = 0.05
_IMAGES = 4

Key = tuple[str, int]  # signature and number of the image
Answers = dict[Key, float]  # probabilities
Outcome = tuple[float, int, str]  # seconds, the version that answered, and what failed


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
        answers = [answers_of(one, images) for one in exports]
        kinds = [(key, request(model, key[0], images[key[1]])) for key in sorted(answers[0])]
        asked = islice(cycle(kinds), requests)
        outcomes: list[Outcome] = []
        samples: list[tuple[int, int]] = []

        def sample() -> None:
            samples.append((len(outcomes), memory(server)))

        begin = time.perf_counter()
        with ExitStack() as stack:
            stack.callback(Poller("push", switch_seconds, push).stop)
            stack.callback(Poller("sample", _SAMPLE_SECONDS, sample).stop)
            for outcome in load(server.target, asked, answers, concurrency):
                outcomes.append(outcome)
        seconds = time.perf_counter() - begin
    times, versions, told = zip(*outcomes, strict=True)
    failures = Counter(filter(None, told))
    yield {
        "model": model,
        "requests": requests,
        "concurrency": concurrency,
        "seconds": round(seconds, 1),
        "p50_ms": milliseconds(times),
        "p99_ms": milliseconds(times, 0.99),
        "pushed_every_seconds": switch_seconds,
        "versions_that_answered": len(set(versions)),
        "failed": failures.total(),
        "failures": dict(failures.most_common(5)),
        **memory_result(samples, requests),
    }


def load(
    target: str, asked: Iterable[tuple[Key, Message]], answers: list[Answers], concurrency: int
) -> Iterator[Outcome]:
    """What becomes of requests, so many at a time, each checked against what its version answers.

    Neither gRPC nor our client tries again: what fails is seen.
    """

    def ask(one: tuple[Key, Message]) -> Outcome:
        key, message = one
        begin = time.perf_counter()
        failure = ""
        version = 0
        try:
            response = call(message, timeout=60)
            version = response.model_spec.version.value
            found = float(to_array(response.outputs[names.OUTPUT_PROBABILITY])[0])
            if abs(found - answers[version % len(answers)][key]) > TOLERANCE:
                failure = f"wrong answer {found} of {key}"
        except grpc.RpcError as error:
            failure = f"{error.code().name}: {error.details()}"
        return time.perf_counter() - begin, version, failure

    options = (("grpc.enable_retries", 0), *methods.MESSAGE_SIZE_OPTIONS)
    with (
        grpc.insecure_channel(target, options=options) as channel,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        call = PREDICT.on(channel)
        yield from pool.map(ask, asked)


def request(model: str, signature: str, image: bytes) -> Message:
    """A PredictRequest for the probability of one image."""
    outputs = [names.OUTPUT_PROBABILITY]
    if signature == names.SIGNATURE_GRAD_CAM:
        outputs.append(names.OUTPUT_HEATMAP)
    _, message = next(exchanges.call(signature, image_input(image), outputs, ModelSpec(name=model)))
    return message


def answers_of(export_folder: Path, images: list[bytes]) -> Answers:
    """What an export answers in this process, by signature and number of the image."""
    answer = saved_model_call(export_folder, *images)()[names.OUTPUT_PROBABILITY]
    # Both endpoints tell the probability of the predicted class.
    both = (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM)
    return {(name, number): float(one) for name in both for number, one in enumerate(answer)}


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
