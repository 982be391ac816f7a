"""What all benchmarks share: options, a folder of their own, times, and the JSON line."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

PAWLENS = str(Path(sys.executable).parent / "pawlens")

Times = dict[str, list[float]]
Result = dict[str, Any]


def benchmark(measure: Callable[..., Iterable[Result]], **defaults: Any) -> None:
    """Runs a benchmark from the command line and prints its results, one JSON line each.

    A result is told under the name of the script unless it names its claim, `benchmark`, itself.

    Args:
        measure: takes an empty folder that goes with the run, and the options by name.
        defaults: of the options, each of the type that is to be given. A list is an option that
            may be given again and again.
    """
    script = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{script}",
        description=sys.modules["__main__"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in defaults.items():
        how: dict[str, Any] = {"type": type(default), "help": f"default: {default}"}
        if isinstance(default, list):
            how = {"action": "append", "metavar": "--NAME=VALUE"}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **how)
    options = vars(parser.parse_args())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        for result in measure(Path(scratch), **options):
            print(json.dumps({"benchmark": script} | result), flush=True)


def timed(action: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def pawlens(*arguments: Any) -> float:
    """Seconds that our command takes."""
    command = [PAWLENS, *map(str, arguments)]
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def in_turn(actions: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> Times:
    """What every action measured in every round; the first rounds do not count."""
    times: Times = {name: [] for name in actions}
    for number in range(warm_up + rounds):
        # Whoever comes first in one round comes last in the next.
        for name in list(actions)[:: 1 if number % 2 else -1]:
            measured = actions[name]()
            if number >= warm_up:
                times[name].append(measured)
    return times


def ratio(times: Times, one: str, other: str) -> float:
    """Median of the rounds' ratios: what else the machine does hits both alike."""
    pairs = zip(times[one], times[other], strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)


def medians(times: Times, digits: int = 3) -> dict[str, float]:
    """The median of each action."""
    return {name: round(statistics.median(taken), digits) for name, taken in times.items()}


def milliseconds(times: Sequence[float], quantile: float = 0.5) -> float:
    """A quantile of times in seconds, in ms; between two of them it is interpolated."""
    return round(float(np.quantile(times, quantile)) * 1000, 2)


def hammer(calls: Sequence[Callable[[], Any]], seconds: float) -> float:
    """Runs each call in a thread of its own, again and again: calls a second, over all threads.

    No call begins later than so many `seconds`; raises what a call raised.
    """
    begin = time.perf_counter()

    def work(call: Callable[[], Any]) -> int:
        done = 0
        while time.perf_counter() - begin < seconds:
            call()
            done += 1
        return done

    with ThreadPoolExecutor(len(calls)) as pool:
        done = sum(pool.map(work, calls))
    return done / (time.perf_counter() - begin)
