"""Each format: how a model gets into it, and how it is run from it.

All take and give what the Keras model does: float32 [batch, side, side, 3] in [0, 255] ->
probabilities. Decoding images is left to whoever runs them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

Run = Callable[[np.ndarray], np.ndarray]

FILES = {
    "tflite": "model.tflite",
    "tflite_quantized": "model_quantized.tflite",
    "onnx": "model.onnx",
}


def convert(model: keras.Model, format_name: str, folder: Path) -> Path:
    """Writes a functional float32 model into an existing folder, for batches of any size."""
    import tensorflow as tf

    path = folder / FILES[format_name]
    options: dict[str, Any] = {"format": "onnx" if format_name == "onnx" else "litert"}
    if format_name == "tflite_quantized":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    # Keras's export to ONNX finds no signature in a model that was just loaded.
    (taken,) = model.inputs
    signature = [keras.InputSpec(dtype=taken.dtype, shape=taken.shape, name=taken.name)]
    model.export(path, input_signature=signature, verbose=False, **options)
    return path


def load(path: Path) -> Run:
    """Loads onto the CPU what `convert` wrote: a function from a batch to probabilities."""
    return _load_onnx(path) if path.suffix == ".onnx" else _load_tflite(path)


def original(model: keras.Model) -> Run:
    """The Keras model as a graph, the way the SavedModel computes it."""
    import tensorflow as tf

    spec = tf.TensorSpec([None, *model.input.shape[1:]], tf.float32)
    graph = tf.function(lambda images: model(images, training=False), input_signature=[spec])
    return lambda images: graph(tf.constant(images)).numpy()


def _load_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _load_tflite(path: Path) -> Run:
    import os

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
    run = interpreter.get_signature_runner()  # which is ready for batches of any size
    (taken,), (given,) = run.get_input_details(), run.get_output_details()
    return lambda images: run(**{taken: images})[given]
