"""What whole runs take.

- `linear_blobs`: `pawlens run linear_blobs`, the smoke test of a machine, takes under 60 s, its
  start included.
- `tiny_run`: everything but the training of a tiny run of `cats_vs_dogs` takes at most 40 s,
  counted from imports done.
- `grades`: evaluation and report of 2,000 test pictures of 128 pixels, the explanations of 200 of
  them graded, take at most 90 s together, and no process of the run takes 2 GB.
- `demo`: `make demo`, after set-up, takes at most 4 minutes on 2 cores.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.tools import PAWLENS, Result, benchmark, pawlens, timed

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


def measure(folder: Path, points: int, images: int, graded: int) -> Iterator[Result]:
    seconds, summary = run("linear_blobs", "points", points, folder / "blobs")
    steps = {name: step["seconds"] for name, step in summary["steps"].items()}
    yield {
        "benchmark": "linear_blobs",
        "points": points,
        "seconds": round(seconds, 1),
        "limit": 60,
        **outcome(summary),
        "seconds_outside_steps": round(seconds - sum(steps.values()), 1),
        "steps": steps,
    }
    _, summary = run("cats_vs_dogs", "class_folders", images, folder / "tiny", *TINY)
    steps = {name: step["seconds"] for name, step in summary["steps"].items()}
    yield {
        "benchmark": "tiny_run",
        "images": images,
        "seconds_outside_training": round(sum(steps.values()) - steps["trainer"], 1),
        "limit": 40,
        "steps": steps,
    }
    _, summary = run("cats_vs_dogs", "class_folders", graded * 10 // 9, folder / "graded", *GRADED)
    steps = {name: step["seconds"] for name, step in summary["steps"].items()}
    yield {
        "benchmark": "grades",
        "images": summary["data"]["splits"]["test"],
        "seconds": round(steps["evaluator"] + steps["interpreter"], 1),
        "limit": 90,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "limit_mib": 2048,
        "steps": steps,
    }
    environment = os.environ | {"PATH": f"{Path(PAWLENS).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pipelines.demo"]
    quiet = subprocess.DEVNULL
    seconds = timed(
        lambda: subprocess.run(command, cwd=folder, env=environment, check=True, stdout=quiet)
    )
    summary = json.loads((folder / "runs/demo/work/summary.json").read_text())
    yield {"benchmark": "demo", "seconds": round(seconds), "limit": 240, **outcome(summary)}


def run(config: str, layout: str, count: int, folder: Path, *settings: str) -> tuple[float, Any]:
    """Seconds that a run on drawn data takes, and its summary."""
    data, work = folder / "data", folder / "work"
    pawlens("data", "synth", data, "--layout", layout, "--count", count)
    sets = [word for setting in settings for word in ("--set", setting)]
    seconds = pawlens("run", config, "--data", data, "--workdir", work, *sets)
    return seconds, json.loads((work / "summary.json").read_text())


def outcome(summary: Any) -> Result:
    accuracy = summary["metrics"]["test"]["accuracy"]
    return {"test_accuracy": round(accuracy, 3), "blessed": summary["blessed"]}


if __name__ == "__main__":
    benchmark(measure, points=2000, images=200, graded=2000)
