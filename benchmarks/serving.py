"""What the serving benchmarks share: a model to serve, and the server as a process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.datasets.palette import BOOK, palette
from components.datasets.pictures import encode
from components.infra_validator.server_process import Server, running_server
from serving import names
from serving.classes import Classes

if TYPE_CHECKING:
    from components.tasks import Task

_START_SECONDS = 180


def export(
    name: str, image_size: int, folder: Path, seed: int = 1, explanation: str = "grad_cam"
) -> Any:
    """Writes a SavedModel with the project's endpoints.

    Args:
        name: the architecture.
        image_size: side of its square input in pixels.
        folder: the version's folder; must not exist yet.
        seed: of the weights. They are untrained: they change the numbers, not the work.
        explanation: the method of its heatmaps.

    Returns:
        The Keras model.
    """
    import keras

    from components import models
    from components.explanations import load_explanation
    from components.export.saved_model import ExportOptions, export_model
    from components.tasks import get_task
    from components.trainer.sections import ExportConfig

    spec = models.spec(name)
    task = get_task(spec.task)
    classes = classes_of(task)
    keras.utils.set_random_seed(seed)
    model = models.build(name, image_size, len(classes))
    export = ExportConfig(explanation=explanation)
    options = ExportOptions(spec, load_explanation(explanation), export)
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


def picture(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    """A picture of one color, in a format of Pillow's."""
    from PIL import Image

    return encode(Image.new("RGB", size, "teal"), kind, **options)


def memory(server: Server, which: str = "VmRSS") -> int:
    """Resident memory of a server in bytes, or (`VmHWM`) the most that it ever had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition(f"{which}:")[2].split()[0]) * 1024


@contextmanager
def serving(model_name: str, base: Path, *flags: str) -> Iterator[Server]:
    """Starts the embedded server on free ports; it ends with the block.

    Raises:
        NotServable: it did not start.
        RuntimeError: it did not end by itself with status 0 when asked to.
    """
    deadline = time.monotonic() + _START_SECONDS
    with running_server(model_name, base, deadline, *flags) as server:
        yield server
    if server.process.returncode:
        raise RuntimeError(f"the server ended with status {server.process.returncode}")
