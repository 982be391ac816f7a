"""What batching across requests brings on this machine: throughput and waiting times.

One server without batching and one for each set of parameters, all running side by side, are
asked in turn by 1, 8 and 32 clients at a time, one image a request. Batching pays where the
model takes clearly less time for an image of a batch than for one alone; told beside is what the
SavedModel takes in this process.

`mini_xception` at 180 pixels with fresh weights. Takes about four minutes.
"""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.predict import saved_model_call
from benchmarks.serving import draw_images, export, image_input, serving
from benchmarks.tools import Result, benchmark, hammer, milliseconds, timed
from serving import names
from serving.client import ImageClient

MODEL, IMAGE_SIZE = "mini_xception", 180
CLIENTS = (1, 8, 32)
# Fields of --batching_parameters_file; none: no batching.
SETTINGS: dict[str, dict[str, int]] = {
    "off": {},
    "32, no wait": {"max_batch_size": 32, "batch_timeout_micros": 0},
    "32, 2 ms": {"max_batch_size": 32, "batch_timeout_micros": 2000},
    "32, no wait, 1 thread": {"max_batch_size": 32, "num_batch_threads": 1},
    "8, no wait": {"max_batch_size": 8, "batch_timeout_micros": 0},
}
IMAGES = 16

Block = tuple[float, list[float]]  # calls a second, and the seconds of each


def measure(folder: Path, blocks: int, seconds: float) -> Iterator[Result]:
    images = draw_images(folder / "images", IMAGES)
    export(MODEL, IMAGE_SIZE, folder / "base" / "1")
    inputs = [image_input(image) for image in images]
    found: dict[tuple[str, int], list[Block]] = {}
    with ExitStack() as stack:
        clients = {}
        for number, (name, fields) in enumerate(SETTINGS.items()):
            flags = batching_flags(folder / f"batching_{number}.txt", fields)
            server = stack.enter_context(serving(MODEL, folder / "base", *flags))
            clients[name] = stack.enter_context(ImageClient(server.target, MODEL))
        for number in range(blocks + 1):
            for count in CLIENTS:
                for name, client in clients.items():
                    calls = [
                        partial(client.call, names.SIGNATURE_SERVING, inputs[one % IMAGES])
                        for one in range(count)
                    ]
                    measured = hammer(calls, seconds if number else min(seconds, 1.0))
                    if number:  # a first block does not count
                        found.setdefault((name, count), []).append(measured)
    yield {
        "model": MODEL,
        "in_process_ms_an_image": by_batch_size(folder / "base" / "1", images),
        "clients": {
            count: {name: summary(found[name, count], found["off", count]) for name in SETTINGS}
            for count in CLIENTS
        },
    }


def batching_flags(path: Path, fields: dict[str, int]) -> list[str]:
    """The server's flags for these parameters."""
    if not fields:
        return []
    lines = [f"{name} {{ value: {value} }}\n" for name, value in fields.items()]
    path.write_text("".join([*lines, "max_enqueued_batches { value: 100 }\n"]), encoding="utf-8")
    return ["--enable_batching=true", f"--batching_parameters_file={path}"]


def summary(blocks: list[Block], without: list[Block]) -> dict[str, float]:
    """Images a second, the same over those without batching, and times in ms."""
    times = [one for _, taken in blocks for one in taken]
    ratios = [rate / base for (rate, _), (base, _) in zip(blocks, without, strict=True)]
    return {
        "per_second": round(statistics.median(rate for rate, _ in blocks), 1),
        "over_off": round(statistics.median(ratios), 3),
        "p50_ms": milliseconds(times),
        "p99_ms": milliseconds(times, 0.99),
    }


def by_batch_size(folder: Path, images: list[bytes]) -> dict[int, float]:
    """Milliseconds that the SavedModel in this process takes for an image, by batch size."""
    found = {}
    for size in (1, 8, 32):
        call = saved_model_call(folder, *(images[number % IMAGES] for number in range(size)))
        call()
        times = [timed(call) for _ in range(max(5, 64 // size))]
        found[size] = round(milliseconds(times) / size, 2)
    return found


if __name__ == "__main__":
    benchmark(measure, blocks=3, seconds=4.0)
