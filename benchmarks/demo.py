"""`make demo`, after set-up, takes at most 4 minutes on 2 cores."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tools import PAWLENS, Result, benchmark, timed


def measure(folder: Path) -> Iterator[Result]:
    environment = os.environ | {"PATH": f"{Path(PAWLENS).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pipelines.demo"]
    quiet = subprocess.DEVNULL
    seconds = timed(
        lambda: subprocess.run(command, cwd=folder, env=environment, check=True, stdout=quiet)
    )
    summary = json.loads((folder / "runs/demo/work/summary.json").read_text())
    yield {
        "seconds": round(seconds),
        "limit": 240,
        "test_accuracy": round(summary["metrics"]["test"]["accuracy"], 3),
        "blessed": summary["blessed"],
    }


if __name__ == "__main__":
    benchmark(measure)
