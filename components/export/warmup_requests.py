"""The requests that a server answers to itself before a version goes live.

The first run of a signature costs many times a later one: TensorFlow optimises its graph then,
anew for every set of outputs. TensorFlow Serving replays the records that lie in the version's
`assets.extra/`; the model's name in them does not matter to it, so they have none.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components import features as f
from serving import names

_SIDE = 64  # of the drawn picture in pixels
_HEATMAP_ONLY = (names.OUTPUT_HEATMAP,)


def picture_requests(problem: str) -> list[Any]:
    """One PredictionLog for every endpoint of a picture model, and one for the heatmap alone.

    Args:
        problem: `classification` or `segmentation`.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    picture, example = _drawn_picture(), _example()
    explained = {
        names.INPUT_IMAGE_BYTES: [picture],
        names.INPUT_CLASS_INDEX: np.array([-1], np.int32),
    }
    logs = [
        _predict_log(names.SIGNATURE_SERVING, {names.INPUT_IMAGE_BYTES: [picture]}),
        _predict_log(
            names.SIGNATURE_FROM_EXAMPLES, {names.INPUT_EXAMPLES: [example.SerializeToString()]}
        ),
        _predict_log(names.SIGNATURE_GRAD_CAM, explained),
        _predict_log(names.SIGNATURE_GRAD_CAM, explained, _HEATMAP_ONLY),
    ]
    if problem == "segmentation":
        with_mask = {names.INPUT_EXAMPLES: [_example(mask=True).SerializeToString()]}
        return [*logs, _predict_log(names.SIGNATURE_LABELS, with_mask)]
    log = prediction_log_pb2.PredictionLog()
    request = log.classify_log.request
    request.model_spec.signature_name = names.SIGNATURE_CLASSIFY
    request.input.example_list.examples.append(example)
    return [*logs, log]


def point_requests() -> list[Any]:
    """One PredictionLog for every endpoint of a model of points."""
    import tensorflow as tf

    example = tf.train.Example()
    for key in (f.POINT_X, f.POINT_Y):
        example.features.feature[key].float_list.value.append(0.0)
    points = np.zeros([1, 2], np.float32)
    return [
        _predict_log(names.SIGNATURE_SERVING, {names.INPUT_POINTS: points}),
        _predict_log(
            names.SIGNATURE_FROM_EXAMPLES, {names.INPUT_EXAMPLES: [example.SerializeToString()]}
        ),
    ]


def write_warmup_requests(folder: Path, logs: Iterable[Any]) -> None:
    """Writes requests to where a server looks for them.

    Args:
        folder: the SavedModel's.
        logs: PredictionLog protos, at most 1000.
    """
    import tensorflow as tf

    path = folder / names.ASSETS_EXTRA / names.WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))


def _predict_log(signature: str, inputs: Mapping[str, Any], outputs: Iterable[str] = ()) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.output_filter.extend(outputs)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def _drawn_picture() -> bytes:
    """A JPEG with an edge in it."""
    from PIL import Image

    pixels = np.zeros([_SIDE, _SIDE, 3], np.uint8)
    pixels[:, _SIDE // 2 :] = (250, 180, 40)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def _example(*, mask: bool = False) -> Any:
    import tensorflow as tf
    from PIL import Image

    example = tf.train.Example()
    example.features.feature[f.IMAGE].bytes_list.value.append(_drawn_picture())
    if mask:
        buffer = io.BytesIO()
        Image.fromarray(np.zeros([_SIDE, _SIDE], np.uint8)).save(buffer, "PNG")
        example.features.feature[f.MASK].bytes_list.value.append(buffer.getvalue())
    return example
