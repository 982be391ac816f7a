"""What the serving benchmarks share: a model to serve, pictures, and the server as a process."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import Message

from components.datasets.palette import BOOK, palette
from components.datasets.pictures import encode
from components.infra_validator.server_process import Server, running_server
from serving import names
from serving.classes import Classes
from serving.client import exchanges
from serving.wire.messages_pb2 import ModelSpec

if TYPE_CHECKING:
    from components.tasks import Task

MODEL = "mini_xception"
# Of a server that is attacked, and serves what it served at the start.
FLAGS = ["--rest_api_port=-1", "--access_log=off", "--file_system_poll_wait_seconds=0"]
ENDPOINTS = (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM)
_START_SECONDS = 180


def build(name: str, image_size: int, seed: int = 1) -> Any:
    """A Keras model with fresh weights: they change the numbers, not the work."""
    import keras

    from components import models
    from components.tasks import get_task

    keras.utils.set_random_seed(seed)
    return models.build(name, image_size, len(classes_of(get_task(models.spec(name).task))))


def export(model: Any, folder: Path, name: str = MODEL, **options: Any) -> None:
    """Writes a SavedModel with the project's endpoints.

    Args:
        model: as of `build`.
        folder: the version's folder; must not exist yet.
        name: the architecture.
        options: of `trainer.export`.
    """
    from components import models
    from components.explanations import load_explanation
    from components.export.saved_model import ExportOptions, export_model
    from components.tasks import get_task
    from components.trainer.sections import ExportConfig

    spec = models.spec(name)
    task, config = get_task(spec.task), ExportConfig(**options)
    how = ExportOptions(spec, load_explanation(config.explanation), config)
    side = model.input.shape[1]
    export_model(model, folder, task=task, classes=classes_of(task), side=side, options=how)


def classes_of(task: "Task") -> Classes:
    """Those of the book: two of images, three of pixels."""
    return Classes(BOOK, palette(BOOK)) if task.has_masks else Classes(("cat", "dog"))


def draw_images(folder: Path, count: int) -> list[bytes]:
    """JPEGs of 500 by 375 pixels."""
    from components.datasets.synth import synthesize

    synthesize(folder, "class_folders", count, size=(500, 375))
    return [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]


def picture(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    """A picture of one color, in a format of Pillow's."""
    from PIL import Image

    return encode(Image.new("RGB", size, "teal"), kind, **options)


def image_input(*images: bytes) -> dict[str, np.ndarray]:
    """The input of an image endpoint, string [batch]."""
    return {names.INPUT_IMAGE_BYTES: np.array(images, object)}


def request(model: str, endpoint: str, *images: bytes, outputs: Sequence[str] = ()) -> Message:
    """A PredictRequest."""
    spec = ModelSpec(name=model)
    return next(exchanges.call(endpoint, image_input(*images), outputs, spec))[1]


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
