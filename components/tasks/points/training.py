"""Points: squared loss of a score, "Deep Learning with Python", 2nd edition, 3.5.5."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from components import features
from components.tasks import parts
from components.tasks.image_classification import training
from serving.errors import InputError

if TYPE_CHECKING:
    from components.trainer.sections import LossConfig


class Part(training.Part):
    """Of two classes, as a classifier's, but inputs are float32 [batch, 2], and outputs scores."""

    content_features = ()

    def feature_specs(self) -> dict[str, Any]:  # noqa: D102
        number = tf.io.FixedLenFeature([], tf.float32)
        return {
            features.POINT_X: number,
            features.POINT_Y: number,
            features.POINT_LABEL: tf.io.FixedLenFeature([], tf.int64),
        }

    def decode(self, parsed: Mapping[str, Any], side: int | None) -> tuple[Any, Any]:  # noqa: D102
        point = tf.stack([parsed[features.POINT_X], parsed[features.POINT_Y]])
        return point, tf.cast(parsed[features.POINT_LABEL], tf.float32)[tf.newaxis]

    def shapes(self, side: int | None) -> parts.Shapes:  # noqa: D102
        return ((2,), np.float32), ((1,), np.float32)

    def trainee(self, model: Any) -> Any:
        """The model itself."""
        return model

    def loss(self, config: "LossConfig") -> keras.losses.Loss:
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
