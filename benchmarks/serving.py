"""What the serving benchmarks share: a model to serve, and the server as a process."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.datasets.palette import BOOK, palette
from serving import names
from serving.classes import Classes

if TYPE_CHECKING:
    from components.tasks import Task

_READY = re.compile(r"^Serving .* on (\S+:\d+)$", re.MULTILINE)
_REST = re.compile(r"^REST on http://(\S+:\d+)$", re.MULTILINE)
_START_SECONDS = 180


def export(name: str, image_size: int, folder: Path, seed: int = 1) -> Any:
    """Writes a SavedModel with the project's endpoints.

    Args:
        name: the architecture.
        image_size: side of its square input in pixels.
        folder: the version's folder; must not exist yet.
        seed: of the weights. They are untrained: they change the numbers, not the work.

    Returns:
        The Keras model.
    """
    import keras

    from components import models
    from components.export.saved_model import ExportOptions, export_model
    from components.tasks import get_task

    spec = models.spec(name)
    task = get_task(spec.task)
    classes = classes_of(task)
    keras.utils.set_random_seed(seed)
    model = models.build(name, image_size, len(classes))
    options = ExportOptions(spec)
    export_model(model, folder, task=task, classes=classes, side=image_size, options=options)
    return model


def classes_of(task: "Task") -> Classes:
    """Those of the book: two of images, three of pixels."""
    if task.has_masks:
        return Classes(BOOK, palette(BOOK))
    return Classes(("cat", "dog"))


def draw_images(folder: Path, count: int) -> list[bytes]:
    """JPEGs of 500 by 375 pixels."""
    from components.datasets.synth import synthesize

    synthesize(folder, "class_folders", count, size=(500, 375))
    return [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]


def image_input(*images: bytes) -> dict[str, np.ndarray]:
    """The input of an image endpoint, string [batch]."""
    batch = np.empty(len(images), object)
    batch[:] = images
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
