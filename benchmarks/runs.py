"""What commands take, in fresh processes.

- `help`: `pawlens --help` answers within 0.5 s.
- `client_start`: a single `pawlens predict`, against a running server, takes at most 1.5 s. The
  model is `mini_xception`, untrained: its weights change the numbers, not the work.
- `linear_blobs`: `pawlens run linear_blobs`, the smoke test of a machine, takes under 60 s, its
  start included.
- `tiny_run`: everything but the training of a tiny run of `cats_vs_dogs` takes at most 40 s,
  counted from imports done.
- `grades`: evaluation and report of 2,000 test pictures of 128 pixels, the explanations of 200 of
  them graded, take at most 90 s together, and no process of the run takes 2 GB.
- `demo`: `make demo`, after set-up, takes at most 4 minutes on 2 cores.

The first call of the first two is not counted: it fills the file cache, as any earlier use has.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.serving import MODEL, build, draw_images, export, serving
from benchmarks.tools import Result, benchmark, timed

BIN = Path(sys.executable).parent
SHORT = [
    "trainer.epochs=1",
    "evaluator.thresholds={accuracy: {min: 0.0}}",
    "evaluator.slice_thresholds={}",
]
TINY = [*SHORT, "trainer.image_size=64", "evaluator.graded_images=0"]
GRADED = [
    *SHORT,
    "trainer.image_size=128",
    "evaluator.graded_images=200",
    "example_gen.train_buckets=1",
    "example_gen.test_buckets=18",
]


def measure(
    folder: Path, runs: int = 9, points: int = 2000, images: int = 200, graded: int = 2000
) -> Iterator[Result]:
    yield {"benchmark": "help"} | called(runs, "--help") | {"limit": 0.5}
    draw_images(folder / "images", 2)
    export(build(MODEL, 180), folder / "base" / "1")
    image = folder / "images" / "Cat" / "0.jpg"
    with serving(MODEL, folder / "base") as server:
        arguments = ("predict", image, "--target", server.target, "--model-name", MODEL)
        taken = called(runs, *arguments)
    yield {"benchmark": "client_start", "model": MODEL} | taken | {"limit": 1.5}
    seconds, summary, steps = run("linear_blobs", "points", points, folder / "blobs")
    yield {
        "benchmark": "linear_blobs",
        "points": points,
        "seconds": round(seconds, 1),
        "limit": 60,
        **outcome(summary),
        "seconds_outside_steps": round(seconds - sum(steps.values()), 1),
        "steps": steps,
    }
    _, _, steps = run("cats_vs_dogs", "class_folders", images, folder / "tiny", *TINY)
    yield {
        "benchmark": "tiny_run",
        "images": images,
        "seconds_outside_training": round(sum(steps.values()) - steps["trainer"], 1),
        "limit": 40,
        "steps": steps,
    }
    count = graded * 10 // 9
    _, summary, steps = run("cats_vs_dogs", "class_folders", count, folder / "graded", *GRADED)
    yield {
        "benchmark": "grades",
        "images": summary["data"]["splits"]["test"],
        "seconds": round(steps["evaluator"] + steps["interpreter"], 1),
        "limit": 90,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "limit_mib": 2048,
        "steps": steps,
    }
    demo = Path(__file__).parents[1] / "examples" / "demo.sh"
    seconds = command("sh", demo, cwd=folder)
    summary = json.loads((folder / "runs/demo/work/summary.json").read_text())
    yield {"benchmark": "demo", "seconds": round(seconds), "limit": 240, **outcome(summary)}


def command(*words: Any, **where: Path) -> float:
    """Seconds that a command takes, with ours among those that there are."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    how: Any = {"env": environment, "check": True, "stdout": subprocess.DEVNULL}
    return timed(partial(subprocess.run, [str(word) for word in words], **how, **where))


def called(runs: int, *arguments: Any) -> Result:
    """Seconds of one call."""
    _, *taken = [command(BIN / "pawlens", *arguments) for _ in range(runs + 1)]
    return {
        "seconds_median": round(statistics.median(taken), 3),
        "seconds_max": round(max(taken), 3),
    }


def run(
    config: str, layout: str, count: int, folder: Path, *settings: str
) -> tuple[float, Any, dict[str, float]]:
    """Seconds that a run on drawn data takes, its summary, and the seconds of each step."""
    data, work = folder / "data", folder / "work"
    command(BIN / "pawlens", "data", "synth", data, "--layout", layout, "--count", count)
    sets = [word for setting in settings for word in ("--set", setting)]
    seconds = command(BIN / "pawlens", "run", config, "--data", data, "--workdir", work, *sets)
    summary = json.loads((work / "summary.json").read_text())
    return seconds, summary, {name: one["seconds"] for name, one in summary["steps"].items()}


def outcome(summary: Any) -> Result:
    accuracy = summary["metrics"]["test"]["accuracy"]
    return {"test_accuracy": round(accuracy, 3), "blessed": summary["blessed"]}


if __name__ == "__main__":
    benchmark(measure)
