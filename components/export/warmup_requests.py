"""The requests that a server answers to itself before a version goes live.

The first run of a signature costs many times a later one: TensorFlow optimises its graph then,
anew for every set of outputs. TensorFlow Serving replays the records that lie in the version's
`assets.extra/`; the model's name in them does not matter to it, so they have none.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components.tasks.parts import Endpoint, Export
from serving import names

DRAWN_SIDE = 64  # of the drawn image in pixels


def write_warmup_requests(folder: Path, logs: Iterable[Any]) -> None:
    """Writes PredictionLogs, at most 1000, to where a server of that SavedModel looks for them."""
    path = folder / names.ASSETS_EXTRA / names.WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))


def warmup_requests(part: Export, endpoints: Mapping[str, Endpoint]) -> Iterator[Any]:
    """A PredictionLog for every endpoint, whatever its batch, and one for the heatmap alone."""
    example = part.drawn_example()
    known = part.inputs_of([example.SerializeToString()])
    for name, endpoint in endpoints.items():
        log = prediction_log_pb2.PredictionLog()
        if endpoint.method == tf.saved_model.CLASSIFY_METHOD_NAME:
            request = log.classify_log.request
            request.input.example_list.examples.append(example)
        else:
            request = log.predict_log.request
            for spec in endpoint.inputs:
                request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(known[spec.name]))
        request.model_spec.signature_name = name
        yield log
        if name == names.SIGNATURE_GRAD_CAM:
            alone = copy.deepcopy(log)
            alone.predict_log.request.output_filter.append(names.OUTPUT_HEATMAP)
            yield alone


def drawn_image() -> bytes:
    """A JPEG with an edge in it."""
    pixels = np.zeros([DRAWN_SIDE, DRAWN_SIDE, 3], np.uint8)
    pixels[:, DRAWN_SIDE // 2 :] = (250, 180, 40)
    encoded: bytes = tf.io.encode_jpeg(pixels).numpy()
    return encoded
