"""What answers soonest on this machine: one model on several engines, from JPEGs to probabilities.

- `saved_model`: as TensorFlow's session runs it in a server, no batch norm folded;
- `folded`: with `trainer.export.fold_batch_norms`, the default;
- `cpu`: with `trainer.export.target: cpu`, best with `--intra=1 --inter=CORES`;
- `litert`, `onnx`: the formats of the step `converter` by LiteRT and ONNX Runtime, `openvino`: the
  ONNX file by OpenVINO where that is installed. TensorFlow decodes the pictures for them.

One line for batches of 1 and one of 32, the engines taken in turn: milliseconds a picture, and the
ratio to `saved_model`. `mini_xception` at 180 pixels with fresh weights, or a Keras file of a
classifier of two classes (`--weights`); drawn pictures, or those below a folder (`--pictures`).
Takes about two minutes.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import MODEL, build, draw_images, export, image_input
from benchmarks.tools import Result, benchmark, in_turn, told
from serving import names

IMAGE_SIZE = 180
BATCHES = {1: 100, 32: 10}  # with rounds
BASE = "saved_model"
EXPORTS: dict[str, dict[str, Any]] = {
    BASE: {"fold_batch_norms": False},
    "folded": {},
    "cpu": {"target": "cpu"},
}
# Encoded pictures -> probabilities.
Engine = Callable[[list[bytes]], np.ndarray]


def measure(
    folder: Path, weights: str = "", pictures: str = "", intra: int = 0, inter: int = 0
) -> Iterator[Result]:
    from components.explanations.opening import open_model
    from serving.server.options import DEFAULTS

    if pictures:
        paths = sorted(Path(pictures).rglob("*.jpg"))[: max(BATCHES)]
        images = [path.read_bytes() for path in paths]
    else:
        images = draw_images(folder / "images", max(BATCHES))
    model = open_model(weights).model if weights else build(MODEL, IMAGE_SIZE)
    threads = {"intra": intra, "inter": inter}
    flags = {f"tensorflow_{name}_op_parallelism": count for name, count in threads.items()}
    engines = converted(model, folder)
    for name, how in EXPORTS.items():
        export(model, folder / name, **how)
        engines[name] = in_session(folder / name, replace(DEFAULTS, **flags))
    for batch, rounds in BATCHES.items():
        calls = {name: partial(engine, images[:batch]) for name, engine in engines.items()}
        wanted = calls[BASE]()
        yield {
            "pictures": len(images[:batch]),
            **threads,
            **told(in_turn(calls, rounds, warm_up=3), BASE, 1000 / batch),
            "largest_difference": {
                name: float(np.abs(call() - wanted).max()) for name, call in calls.items()
            },
            "openvino": "measured" if "openvino" in engines else "not installed",
        }


def in_session(folder: Path, options: Any) -> Engine:
    """An export as the embedded server has it."""
    from serving.server.session import ModelSession

    session = ModelSession(folder, options)
    signature = session.signatures.signature_def[names.SIGNATURE_SERVING]
    fed = signature.inputs[names.INPUT_IMAGE_BYTES].name
    fetched = signature.outputs[names.OUTPUT_PROBABILITIES].name

    def run(images: list[bytes]) -> np.ndarray:
        [encoded] = image_input(*images).values()
        return session.run({fed: encoded}, [fetched])[fetched]

    return run


def converted(model: Any, folder: Path) -> dict[str, Engine]:
    """The engines that take decoded pictures."""
    import tensorflow as tf

    from components.converter.formats import convert, load
    from components.preprocessing import decode_images

    decode = tf.function(lambda images: decode_images(images, model.input.shape[1]))
    paths = {"litert": convert(model, "tflite", folder), "onnx": convert(model, "onnx", folder)}
    runs = {name: load(path) for name, path in paths.items()}
    if importlib.util.find_spec("openvino"):
        import openvino

        exact = {"INFERENCE_PRECISION_HINT": "f32"}  # as the others; else bfloat16 where it can
        compiled = openvino.Core().compile_model(str(paths["onnx"]), "CPU", exact)
        runs["openvino"] = lambda images: compiled(images)[0]
    return {
        name: lambda images, run=run: run(decode(tf.constant(images)).numpy())
        for name, run in runs.items()
    }


if __name__ == "__main__":
    benchmark(measure)
