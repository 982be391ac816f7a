"""`pawlens --help` answers within 0.5 s."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tools import Result, benchmark, pawlens


def measure(_: Path, runs: int) -> Iterator[Result]:
    times = [pawlens("--help") for _ in range(runs)]
    yield {
        "seconds_median": round(statistics.median(times), 3),
        "seconds_max": round(max(times), 3),
        "limit": 0.5,
    }


if __name__ == "__main__":
    benchmark(measure, runs=7)
