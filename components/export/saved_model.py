"""Writes the SavedModel of a trained model: what TensorFlow Serving answers with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model import fingerprinting_utils

from components.explanations.methods import Explain, grad_cam
from components.export.folding import fold_batch_norms
from components.export.warmup_requests import warmup_requests, write_warmup_requests
from components.models import ModelSpec, explained_layers
from components.tasks import Task
from components.trainer.sections import ExportConfig
from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE, MODEL_FILE
from serving.stores.versions import SAVED_MODEL_FILE


class ExportOptions(NamedTuple):
    """What a task's endpoints are made by, besides model and classes."""

    spec: ModelSpec  # of the architecture
    explain: Explain = grad_cam  # what `config` names, which computes heatmaps
    config: ExportConfig = ExportConfig()


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
        task, options: see there.
        classes: what the model tells apart, in the order of its outputs.
        side: of the model's square input in pixels; None where there are no images.
    """
    if side is not None:
        explained, logits = explained_layers(model, options.spec)
        explained = options.config.grad_cam_layer or explained
        if options.config.fold_batch_norms:
            model = fold_batch_norms(model, (explained, logits))
    part = task.export(classes)
    archive = keras.export.ExportArchive()
    archive.track(model)
    endpoints = part.endpoints(model, side, options)
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, endpoint.function, endpoint.inputs)
    archive.write_out(str(folder), verbose=False)
    finish_signatures(folder, {name: one.method for name, one in endpoints.items() if one.method})
    write_warmup_requests(folder, warmup_requests(part, endpoints))
    extra = folder / ASSETS_EXTRA
    (extra / MODEL_CLASSES_FILE).write_text(classes.to_json(), encoding="utf-8")
    if side is not None:
        # To be opened with the SavedModel's weights, and what is explained of it.
        told = {
            "model": options.spec.name,
            "explained": explained,
            "logits": logits,
            "explanation": options.config.explanation,
            "explanation_flip": options.config.explanation_flip,
            "test_time_flip": options.config.test_time_flip,
            "architecture": json.loads(model.to_json()),
        }
        (extra / MODEL_FILE).write_text(json.dumps(told) + "\n", encoding="utf-8")


def finish_signatures(folder: Path, methods: Mapping[str, str]) -> None:
    """Names the methods of signatures and lets servers compute only the outputs asked for.

    The exporter writes every signature as one for Predict. And all outputs of a signature leave
    one call of a function: a call that is fetched itself is run whole, so every request would pay
    for every output. Behind an identity of its own for each output, TensorFlow inlines the call
    and prunes what the outputs asked for do not need.
    """
    path = folder / SAVED_MODEL_FILE
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        signatures = meta_graph.signature_def
        for name, method in methods.items():
            signatures[name].method_name = method
        for name in sorted(signatures):
            for output, info in sorted(signatures[name].outputs.items()):
                if info.WhichOneof("encoding") != "name" or not info.dtype:
                    continue  # __saved_model_init_op names an operation
                node = meta_graph.graph_def.node.add(name=f"answer_{name}_{output}", op="Identity")
                node.input.append(info.name.removesuffix(":0"))
                node.attr["T"].type = info.dtype
                info.name = f"{node.name}:0"
    path.write_bytes(saved.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(str(folder))  # the one beside it was of the old file
