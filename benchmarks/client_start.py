"""A single `pawlens predict` in a fresh process, against a running server, takes at most 1.5 s.

The model is `mini_xception`, untrained: its weights change the numbers, not the work. The first
call is not counted: it fills the file cache, as any earlier use of the command has.
"""

import resource
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.serving import draw_images, export, serving
from benchmarks.tools import Result, benchmark, pawlens

MODEL, IMAGE_SIZE = "mini_xception", 180


def measure(folder: Path, runs: int) -> Iterator[Result]:
    draw_images(folder / "images", 2)
    export(MODEL, IMAGE_SIZE, folder / "base" / "1")
    image = folder / "images" / "Cat" / "0.jpg"
    wall, processor = [], []
    with serving(MODEL, folder / "base") as server:
        arguments = ("predict", image, "--target", server.target, "--model-name", MODEL)
        for _ in range(runs + 1):
            before = _processor_seconds()
            wall.append(pawlens(*arguments))
            processor.append(_processor_seconds() - before)
    yield {
        "model": MODEL,
        "seconds_median": round(statistics.median(wall[1:]), 3),
        "seconds_max": round(max(wall[1:]), 3),
        "processor_seconds_median": round(statistics.median(processor[1:]), 3),
        "limit": 1.5,
    }


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    benchmark(measure, runs=9)
