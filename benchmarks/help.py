"""`pawlens --help` answers within 0.5 s."""

import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tools import PAWLENS, Result, benchmark, timed


def measure(_: Path, runs: int) -> Iterator[Result]:
    command = [PAWLENS, "--help"]
    times = [
        timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        for _ in range(runs)
    ]
    yield {
        "benchmark": "help",
        "seconds_median": round(statistics.median(times), 3),
        "seconds_max": round(max(times), 3),
        "limit": 0.5,
    }


if __name__ == "__main__":
    benchmark(measure, runs=7)
