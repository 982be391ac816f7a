"""What a command takes in a fresh process.

- `help`: `pawlens --help` answers within 0.5 s.
- `client_start`: a single `pawlens predict`, against a running server, takes at most 1.5 s. The
  model is `mini_xception`, untrained: its weights change the numbers, not the work.

The first call of each is not counted: it fills the file cache, as any earlier use has.
"""

import resource
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.serving import draw_images, export, serving
from benchmarks.tools import Result, benchmark, pawlens

MODEL, IMAGE_SIZE = "mini_xception", 180


def measure(folder: Path, runs: int) -> Iterator[Result]:
    yield {"benchmark": "help"} | seconds(runs, "--help") | {"limit": 0.5}
    draw_images(folder / "images", 2)
    export(MODEL, IMAGE_SIZE, folder / "base" / "1")
    image = folder / "images" / "Cat" / "0.jpg"
    with serving(MODEL, folder / "base") as server:
        arguments = ("predict", image, "--target", server.target, "--model-name", MODEL)
        taken = seconds(runs, *arguments)
    yield {"benchmark": "client_start", "model": MODEL} | taken | {"limit": 1.5}


def seconds(runs: int, *arguments: Any) -> Result:
    """Of one call: on the clock, and of all processors."""
    wall, processor = [], []
    for _ in range(runs + 1):
        before = _processor_seconds()
        wall.append(pawlens(*arguments))
        processor.append(_processor_seconds() - before)
    return {
        "seconds_median": round(statistics.median(wall[1:]), 3),
        "seconds_max": round(max(wall[1:]), 3),
        "processor_seconds_median": round(statistics.median(processor[1:]), 3),
    }


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    benchmark(measure, runs=9)
