"""What the serving benchmarks share: a model to serve, the server as a process, many callers."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving import names

_READY = re.compile(r"^Serving .* on (\S+:\d+)$", re.MULTILINE)
_REST = re.compile(r"^REST on http://(\S+:\d+)$", re.MULTILINE)
_START_SECONDS = 180


def export(model: Any, name: str, image_size: int, folder: Path) -> Path:
    """Writes a SavedModel with the project's endpoints.

    Args:
        model: of that architecture. Its weights may be untrained: the work is the same.
        name: the architecture.
        image_size: side of its square input in pixels.
        folder: the version's folder; must not exist yet.

    Returns:
        The folder.
    """
    from components import models
    from components.export.saved_model import ExportOptions, export_model
    from components.tasks import get_task
    from serving.classes import Classes

    spec = models.spec(name)
    classes = Classes(tuple(f"class {number}" for number in range(model.output_shape[-1])))
    task = get_task(spec.task)
    options = ExportOptions(spec)
    export_model(model, folder, task=task, classes=classes, side=image_size, options=options)
    return folder


def draw_pictures(folder: Path, count: int) -> list[bytes]:
    """JPEGs of 500 by 375 pixels."""
    from components.datasets.synth import synthesize

    synthesize(folder, "cats_dogs", count, size=(500, 375))
    return [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]


def picture_input(*pictures: bytes) -> dict[str, np.ndarray]:
    """The input of a picture endpoint, string [batch]."""

    batch = np.empty(len(pictures), object)
    batch[:] = pictures
    return {names.INPUT_IMAGE_BYTES: batch}


@dataclass(frozen=True)
class Server:
    """A running server: HOST:PORT of gRPC and REST (empty: none), and its process."""

    target: str
    rest: str
    process: subprocess.Popen

    def memory(self) -> int:
        """Resident memory in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(model_name: str, base: Path, *flags: str) -> Iterator[Server]:
    """Starts the embedded server on free ports; it ends with the block.

    Raises:
        RuntimeError: it did not start, or it did not end by itself with status 0 when asked to.
    """
    command = [sys.executable, "-m", "serving.server", "--port=0", f"--model_name={model_name}"]
    command += [f"--model_base_path={base}", "--stop_with_stdin=true", *flags]
    with tempfile.TemporaryDirectory() as scratch:
        out, err = Path(scratch, "out"), Path(scratch, "err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr)
        try:
            _wait(process, out, err, rest=any("rest_api_port" in flag for flag in flags))
            told = out.read_text(encoding="utf-8")
            rest = _REST.search(told)
            target = _READY.search(told)
            assert target
            yield Server(target.group(1), rest.group(1) if rest else "", process)
        finally:
            process.terminate()
            status = process.wait(60)
            if process.stdin:
                process.stdin.close()
        if status:
            raise RuntimeError(f"the server ended with status {status}: {err.read_text()[-2000:]}")


def _wait(process: subprocess.Popen, out: Path, err: Path, *, rest: bool) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        told = out.read_text(encoding="utf-8")
        if _READY.search(told) and (not rest or _REST.search(told)):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {err.read_text()[-2000:]}")
        time.sleep(0.1)


def milliseconds(times: Sequence[float], quantile: float = 0.5) -> float:
    """A quantile of times in seconds, in ms: the smallest time that so many did not exceed."""
    ordered = sorted(times)
    rank = min(len(ordered) - 1, int(quantile * len(ordered)))
    value = statistics.median(ordered) if quantile == 0.5 else ordered[rank]
    return round(value * 1000, 2)


def timed(action: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def hammer(calls: Sequence[Callable[[], Any]], seconds: float) -> tuple[float, list[float]]:
    """Runs each call in a thread of its own, again and again.

    Args:
        calls: one a thread.
        seconds: no call begins later.

    Returns:
        Calls a second, over the whole time, and the seconds that each call took.

    Raises:
        Exception: what a call raised.
    """
    times: list[list[float]] = [[] for _ in calls]
    errors: list[BaseException] = []
    begin = time.perf_counter()

    def work(call: Callable[[], Any], taken: list[float]) -> None:
        try:
            while time.perf_counter() - begin < seconds and not errors:
                taken.append(timed(call))
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(calls, times, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    every = [one for taken in times for one in taken]
    return len(every) / (time.perf_counter() - begin), every
