"""The requests that a server answers to itself before a version goes live.

The first run of a signature costs many times a later one: TensorFlow optimises its graph then,
anew for every set of outputs. TensorFlow Serving replays the records that lie in the version's
`assets.extra/`; the model's name in them does not matter to it, so they have none.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components import features as f
from components.datasets.examples import make_example
from serving import names

_SIDE = 64  # of the drawn image in pixels


def write_warmup_requests(folder: Path, logs: Iterable[Any]) -> None:
    """Writes PredictionLogs, at most 1000, to where a server of that SavedModel looks for them."""
    path = folder / names.ASSETS_EXTRA / names.WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))


def predict_request(signature: str, inputs: Mapping[str, Any], outputs: Iterable[str] = ()) -> Any:
    """The PredictionLog of a Predict call that asks for these outputs; none: for all."""
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.output_filter.extend(outputs)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def classify_request(signature: str, example: Any) -> Any:
    """The PredictionLog of a Classify call about one tf.train.Example."""
    log = prediction_log_pb2.PredictionLog()
    request = log.classify_log.request
    request.model_spec.signature_name = signature
    request.input.example_list.examples.append(example)
    return log


def drawn_image() -> bytes:
    """A JPEG with an edge in it."""
    pixels = np.zeros([_SIDE, _SIDE, 3], np.uint8)
    pixels[:, _SIDE // 2 :] = (250, 180, 40)
    encoded: bytes = tf.io.encode_jpeg(pixels).numpy()
    return encoded


def drawn_example(*, mask: bool = False) -> Any:
    """A tf.train.Example of the drawn image; with a mask of class 0."""
    shown = {f.IMAGE: drawn_image()}
    if mask:
        shown[f.MASK] = tf.io.encode_png(np.zeros([_SIDE, _SIDE, 1], np.uint8)).numpy()
    return make_example(shown)
