"""What a served model of points answers."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components import features as f
from components.datasets.examples import make_example, value_of
from components.tasks.parts import Endpoint, Export
from serving import names

_COORDINATES = (f.POINT_X, f.POINT_Y)


class Part(Export):
    """A model that takes points float32 [batch, 2] and gives a score float32 [batch, 1]."""

    required_outputs = frozenset({names.OUTPUT_LABEL, names.OUTPUT_SCORE})

    def endpoints(self, model: keras.Model, side: int | None, options: Any) -> dict[str, Endpoint]:
        """`serving_default` and `from_examples`: label and score."""

        def serving_default(points: tf.Tensor) -> dict[str, tf.Tensor]:
            score = model(points, training=False)[:, 0]
            above = tf.cast(score > f.SCORE_THRESHOLD, tf.int32)
            label = tf.gather(tf.constant(self.classes.names), above)
            return {names.OUTPUT_LABEL: label, names.OUTPUT_SCORE: score}

        def from_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            spec = {key: tf.io.FixedLenFeature([], tf.float32) for key in _COORDINATES}
            parsed = tf.io.parse_example(examples, spec)
            return serving_default(tf.stack([parsed[key] for key in _COORDINATES], axis=1))

        points = tf.TensorSpec([None, 2], tf.float32, name=names.INPUT_POINTS)
        examples = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
        return {
            names.SIGNATURE_SERVING: Endpoint(serving_default, [points]),
            names.SIGNATURE_FROM_EXAMPLES: Endpoint(from_examples, [examples]),
        }

    def drawn_example(self) -> Any:
        """The origin."""
        return make_example(dict.fromkeys(_COORDINATES, 0.0))

    def inputs_of(self, examples: Sequence[bytes]) -> dict[str, np.ndarray]:
        """See `Export.inputs_of`."""
        parsed = map(tf.train.Example.FromString, examples)
        rows = [[value_of(one, key) for key in _COORDINATES] for one in parsed]
        return {
            names.INPUT_EXAMPLES: np.array(examples, object),
            names.INPUT_POINTS: np.asarray(rows, np.float32),
        }
