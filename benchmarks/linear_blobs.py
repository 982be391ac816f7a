"""`pawlens run linear_blobs`, the smoke test of a machine, takes under 60 s, its start included."""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tools import Result, benchmark, pawlens


def measure(folder: Path, count: int) -> Iterator[Result]:
    data, work = folder / "points", folder / "work"
    pawlens("data", "synth", data, "--layout", "points", "--count", count)
    seconds = pawlens("run", "linear_blobs", "--data", data, "--workdir", work)
    summary = json.loads((work / "summary.json").read_text())
    steps = {name: step["seconds"] for name, step in summary["steps"].items()}
    yield {
        "points": count,
        "seconds": round(seconds, 1),
        "limit": 60,
        "test_accuracy": round(summary["metrics"]["test"]["accuracy"], 3),
        "blessed": summary["blessed"],
        "seconds_outside_steps": round(seconds - sum(steps.values()), 1),
        "steps": steps,
    }


if __name__ == "__main__":
    benchmark(measure, count=2000)
