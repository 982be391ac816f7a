"""The functions exported into the SavedModel of a model of points."""

from pathlib import Path

import keras
import tensorflow as tf

from components import features as f
from components.export.signatures import finish_signatures
from components.export.warmup_requests import point_requests, write_warmup_requests

Outputs = dict[str, tf.Tensor]


def export_point_model(model: keras.Model, folder: Path) -> None:
    """Writes a SavedModel with the endpoints `serving_default` and `from_examples`.

    Beside it lie requests to warm a server up with.

    Args:
        model: float32 [batch, 2], x and y -> float32 [batch, 1], the score.
        folder: the SavedModel's folder; must not exist yet.
    """
    names = tf.constant(f.POINT_CLASS_NAMES)
    coordinates = {key: tf.io.FixedLenFeature([], tf.float32) for key in (f.POINT_X, f.POINT_Y)}

    def serving_default(points: tf.Tensor) -> Outputs:
        score = model(points, training=False)[:, 0]
        label = tf.gather(names, tf.cast(score > f.SCORE_THRESHOLD, tf.int32))
        return {names.OUTPUT_LABEL: label, names.OUTPUT_SCORE: score}

    def from_examples(examples: tf.Tensor) -> Outputs:
        parsed = tf.io.parse_example(examples, coordinates)
        return serving_default(tf.stack([parsed[f.POINT_X], parsed[f.POINT_Y]], axis=1))

    archive = keras.export.ExportArchive()
    archive.track(model)
    points = tf.TensorSpec([None, 2], tf.float32, name=names.INPUT_POINTS)
    archive.add_endpoint(names.SIGNATURE_SERVING, serving_default, [points])
    examples = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
    archive.add_endpoint(names.SIGNATURE_FROM_EXAMPLES, from_examples, [examples])
    archive.write_out(str(folder), verbose=False)
    finish_signatures(folder, {})
    write_warmup_requests(folder, point_requests())
