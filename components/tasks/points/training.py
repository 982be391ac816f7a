"""Points: squared loss of a score, "Deep Learning with Python", 2nd edition, 3.5.5."""

from typing import Any

import keras
import tensorflow as tf

from components import features
from components.tasks.image_classification import training
from components.trainer.sections import LossConfig
from serving.errors import InputError


class Part(training.Part):
    """Of two classes, as a classifier's, but inputs are float32 [batch, 2], and outputs scores."""

    def decode(self, example: Any, side: int | None) -> tuple[Any, Any]:  # noqa: D102
        number = tf.io.FixedLenFeature([], tf.float32)
        specs = {
            features.POINT_X: number,
            features.POINT_Y: number,
            features.POINT_LABEL: tf.io.FixedLenFeature([], tf.int64),
        }
        parsed = tf.io.parse_single_example(example, specs)
        point = tf.stack([parsed[features.POINT_X], parsed[features.POINT_Y]])
        return point, tf.cast(parsed[features.POINT_LABEL], tf.float32)[tf.newaxis]

    def trainee(self, model: Any) -> Any:
        """The model itself."""
        return model

    def loss(self, config: LossConfig) -> keras.losses.Loss:
        """Mean of the squared differences.

        Raises:
            InputError: options that are cross-entropy's.
        """
        asked = config.model_dump(exclude={"class_weights"}, exclude_defaults=True)
        for key, value in asked.items():
            raise InputError(
                f"trainer.loss.{key}", expected="nothing: the loss is squared", found=str(value)
            )
        return keras.losses.MeanSquaredError()
