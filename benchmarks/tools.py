"""What all benchmarks share: options, a folder of their own, times, and the JSON line."""

import argparse
import inspect
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Times = dict[str, list[float]]
Result = dict[str, Any]


def benchmark(measure: Callable[..., Iterable[Result]]) -> None:
    """Runs a benchmark from the command line and prints its results, one JSON line each.

    A result is told under the name of the script unless it names its claim, `benchmark`, itself.

    Args:
        measure: takes an empty folder that goes with the run, and the options: its arguments with
            a default, whose type is to be given. One with a tuple may be given again and again.
    """
    script = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{script}",
        description=sys.modules["__main__"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, option in list(inspect.signature(measure).parameters.items())[1:]:
        how: dict[str, Any] = {"type": type(option.default), "default": option.default}
        if isinstance(option.default, tuple):
            how = {"action": "append", "default": [*option.default]}
        parser.add_argument(f"--{name.replace('_', '-')}", help="default: %(default)s", **how)
    options = vars(parser.parse_args())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        for result in measure(Path(scratch), **options):
            print(json.dumps({"benchmark": script} | result), flush=True)


def timed(action: Callable[[], Any], count: int = 1) -> float:
    """Seconds that it takes, the mean of so many times one after another."""
    start = time.perf_counter()
    for _ in range(count):
        action()
    return (time.perf_counter() - start) / count


def in_turn(
    actions: Mapping[str, T], rounds: int, measure: Callable[[T], float] = timed, warm_up: int = 1
) -> Times:
    """What every action measured in every round; the first rounds do not count."""
    times: Times = {name: [] for name in actions}
    for number in range(warm_up + rounds):
        # Whoever comes first in one round comes last in the next.
        for name in list(actions)[:: 1 if number % 2 else -1]:
            measured = measure(actions[name])
            if number >= warm_up:
                times[name].append(measured)
    return times


def told(times: Times, base: str, scale: float = 1000, unit: str = "milliseconds") -> Result:
    """Medians of the actions, and of the rounds' ratios to one of them.

    What else the machine does hits all actions of a round alike.
    """
    return {
        unit: {name: _rounded(statistics.median(taken) * scale) for name, taken in times.items()},
        f"over_{base}": {
            name: _rounded(
                statistics.median(a / b for a, b in zip(taken, times[base], strict=True))
            )
            for name, taken in times.items()
            if name != base
        },
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


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
