"""Writes the SavedModel of a trained model: what TensorFlow Serving answers with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from components.explanations.grad_cam import grad_cam
from components.export.signatures import finish_signatures
from components.export.warmup_requests import write_warmup_requests
from components.models import ModelSpec
from components.tasks import Task
from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE

Explain = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class ExportOptions:
    """What a task's endpoints are made by, besides model and classes.

    Attributes:
        spec: of the architecture.
        explain: computes heatmaps; see `components.explanations.grad_cam.grad_cam`.
        grad_cam_layer: the layer to explain instead of the architecture's own; empty: that one.
        test_time_flip: whether all answers are those of image and mirror image together; see
            `components.export.flip_averaging`.
    """

    spec: ModelSpec
    explain: Explain = grad_cam
    grad_cam_layer: str = ""
    test_time_flip: bool = False


def export_model(
    model: keras.Model,
    folder: Path,
    *,
    task: Task,
    classes: Classes,
    side: int | None,
    options: ExportOptions,
) -> None:
    """Writes a SavedModel with all endpoints; beside it its classes and requests for a warm-up.

    Args:
        model: of `components.models.build`, in float32.
        folder: the SavedModel's; must not exist yet.
        task: whose endpoints they are.
        classes: what the model tells apart, in the order of its outputs.
        side: of the model's square input in pixels; None where there are no images.
        options: see there.
    """
    part = task.export(classes)
    archive = keras.export.ExportArchive()
    archive.track(model)
    methods = {}
    for name, endpoint in part.endpoints(model, side, options).items():
        archive.add_endpoint(name, endpoint.function, endpoint.inputs)
        if endpoint.method:
            methods[name] = endpoint.method
    archive.write_out(str(folder), verbose=False)
    finish_signatures(folder, methods)
    write_warmup_requests(folder, part.warmup_requests())
    told = folder / ASSETS_EXTRA / MODEL_CLASSES_FILE
    told.write_text(classes.to_json(), encoding="utf-8")
