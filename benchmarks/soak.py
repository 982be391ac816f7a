"""A long run: many requests at a time while versions come and go, and memory that stays level.

20,000 requests at concurrency 32, one image each, `serving_default` and `grad_cam` by turns,
while a new version is pushed every 5 s and the last but one is taken away. The versions have
weights A and B by turns, and every answer has to be the one of the version that it names. No
request may fail, and the median of the server's resident memory over the last tenth of the
requests is within 5% of that over the second tenth. Nothing is tried twice.

The model sees 32 pixels, so that the server and not the model is what works: about two minutes.
`--image-size 180 --requests 6000` takes as long at the size of the book.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message

from benchmarks.serving import MODEL, build, draw_images, export, memory, request, serving
from benchmarks.tools import Result, benchmark, milliseconds
from serving import names
from serving.client.connection import PREDICT
from serving.server.polling import Poller
from serving.wire import methods
from serving.wire.tensors import to_array

SEEDS = (1, 2)  # of the weights, by turns
LIMIT = 0.05  # how far memory may move
TOLERANCE = 1e-4
_SAMPLE_SECONDS = 0.05
_IMAGES = 4

Outcome = tuple[float, int, str]  # seconds, the version that answered, and what failed


def measure(
    folder: Path,
    *,
    requests: int = 20_000,
    concurrency: int = 32,
    switch_seconds: float = 5.0,
    model: str = MODEL,
    image_size: int = 32,
) -> Iterator[Result]:
    from components.reporting.predictor import Predictor

    images = draw_images(folder / "images", _IMAGES)
    exports = [folder / f"export_{seed}" for seed in SEEDS]
    for seed, place in zip(SEEDS, exports, strict=True):
        export(build(model, image_size, seed), place, model)
    # By export and image; both endpoints tell the probability of the predicted class.
    right = [
        Predictor(str(one)).predict(image_bytes=images)[names.OUTPUT_PROBABILITY] for one in exports
    ]
    base = folder / "base"
    push = partial(next, pushes(exports, base))
    wanted = {names.SIGNATURE_SERVING: [names.OUTPUT_PROBABILITY]}
    wanted[names.SIGNATURE_GRAD_CAM] = [names.OUTPUT_PROBABILITY, names.OUTPUT_HEATMAP]
    kinds = [
        (number, request(model, signature, image, outputs=outputs))
        for signature, outputs in wanted.items()
        for number, image in enumerate(images)
    ]
    push()
    flags = ["--file_system_poll_wait_seconds=0.5", "--access_log=off"]
    options = (("grpc.enable_retries", 0), *methods.MESSAGE_SIZE_OPTIONS)
    outcomes: list[Outcome] = []
    samples: list[tuple[int, int]] = []
    with serving(model, base, *flags) as server, ExitStack() as stack:
        channel = stack.enter_context(grpc.insecure_channel(server.target, options))
        ask = partial(outcome_of, PREDICT.on(channel), right)

        def sample() -> None:
            samples.append((len(outcomes), memory(server)))

        pool = stack.enter_context(ThreadPoolExecutor(concurrency))
        begin = time.perf_counter()
        stack.callback(Poller("push", switch_seconds, push).stop)
        stack.callback(Poller("sample", _SAMPLE_SECONDS, sample).stop)
        # One by one, as samples are of how many there are.
        for outcome in pool.map(ask, islice(cycle(kinds), requests)):
            outcomes.append(outcome)
        seconds = time.perf_counter() - begin
    times, versions, told = zip(*outcomes, strict=True)
    failures = Counter(filter(None, told))
    levels = memory_levels(samples, requests)
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
        "memory_mib": levels,
        "memory_change": round(levels[9] / levels[1] - 1, 4),
        "limit": LIMIT,
    }


def pushes(exports: list[Path], base: Path) -> Iterator[int]:
    """Each time the next version, in one rename; the last but one goes."""
    base.mkdir()
    for version in count(1):
        beside = base.with_name("beside")
        shutil.copytree(exports[version % len(exports)], beside)
        beside.rename(base / str(version))
        shutil.rmtree(base / str(version - 2), ignore_errors=True)
        yield version


def outcome_of(
    call: Callable[..., Any], right: list[np.ndarray], one: tuple[int, Message]
) -> Outcome:
    """What becomes of a request for an image, checked against what its version answers."""
    number, message = one
    begin, version, failure = time.perf_counter(), 0, ""
    try:
        response = call(message, timeout=60)
        version = response.model_spec.version.value
        found = float(to_array(response.outputs[names.OUTPUT_PROBABILITY])[0])
        if abs(found - right[version % len(right)][number]) > TOLERANCE:
            failure = f"wrong answer {found} of image {number}"
    except grpc.RpcError as error:
        failure = f"{error.code().name}: {error.details()}"
    return time.perf_counter() - begin, version, failure


def memory_levels(samples: list[tuple[int, int]], requests: int) -> list[float]:
    """Of requests done and memory then: its medians in MiB over every tenth of the requests."""
    done, taken = np.array(samples).T
    tenths = np.minimum(9, done * 10 // requests)
    return [round(float(np.median(taken[tenths == n])) / 2**20, 1) for n in range(10)]


if __name__ == "__main__":
    benchmark(measure)
