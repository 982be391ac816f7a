"""Classes of images: targets, loss and metrics of a training."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components import features, preprocessing
from components.models.spec import PROBABILITY_LAYER
from components.tasks import parts
from components.trainer.sections import LossConfig

_BAR = 6  # pixels of the bar under a drawn image


class Part(parts.Training):
    """Two classes are one number, the probability of class 1; more are one number each.

    Targets are float32 [batch, 1] of 0 and 1, or float32 [batch, classes], one-hot. Both may be
    blended.
    """

    @property
    def _binary(self) -> bool:
        return len(self.classes) == 2

    def decode(self, example: Any, side: int | None) -> tuple[Any, Any]:
        """uint8 [side, side, 3], RGB, and the target."""
        assert side is not None
        specs = {
            features.IMAGE: tf.io.FixedLenFeature([], tf.string),
            features.LABEL: tf.io.FixedLenFeature([], tf.int64),
        }
        parsed = tf.io.parse_single_example(example, specs)
        image = preprocessing.decode_image(parsed[features.IMAGE], side)
        label = parsed[features.LABEL]
        target = (
            tf.cast(label, tf.float32)[tf.newaxis]
            if self._binary
            else tf.one_hot(label, len(self.classes))
        )
        return tf.cast(tf.round(image), tf.uint8), target

    def class_counts(self, targets: np.ndarray) -> np.ndarray:  # noqa: D102
        # What is no class is none of them where targets are one-hot: all zeros.
        known = targets.any(axis=1) if not self._binary else np.True_
        ids = targets.argmax(axis=1) if not self._binary else targets[:, 0].astype(np.int64)
        return np.bincount(np.where(known, ids, len(self.classes)), minlength=len(self.classes))

    def trainee(self, model: Any) -> Any:
        """Of two classes the single probability inside the model, whose weights it shares."""
        if not self._binary:
            return model
        if any(layer.name == PROBABILITY_LAYER for layer in model.layers):
            output = model.get_layer(PROBABILITY_LAYER).output
        else:
            output = model.output[:, 1:]
        return keras.Model(model.input, output, name=model.name)

    def loss(self, config: LossConfig) -> keras.losses.Loss:  # noqa: D102
        smoothing, gamma = config.label_smoothing, config.focal_gamma
        if self._binary and gamma:
            return keras.losses.BinaryFocalCrossentropy(gamma=gamma, label_smoothing=smoothing)
        if self._binary:
            return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        if gamma:  # weights of classes are `class_weights`
            return keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=gamma, label_smoothing=smoothing
            )
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)

    def metrics(self) -> list[Any]:
        """Accuracy; a blended label counts as its larger part."""
        if self._binary:
            return [keras.metrics.MeanMetricWrapper(_same_side, name="accuracy")]
        return [keras.metrics.CategoricalAccuracy("accuracy")]

    def sample_weights(self, weights: list[float], targets: Any) -> Any:
        """Of two classes float32 [batch, 1], else [batch]; blended labels get blended weights."""
        if self._binary:
            return weights[0] + (weights[1] - weights[0]) * targets
        return keras.ops.sum(targets * keras.ops.convert_to_tensor(weights, "float32"), axis=-1)

    def draw_samples(
        self, inputs: np.ndarray, targets: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        """Images over bars, as long as the true class's probability, green where the answer is it.

        Images are float32 [n, height, width, 3] in [0, 255], outputs probabilities; gives uint8
        [n, height + 6, width, 3].
        """
        if self._binary:
            targets, outputs = (np.concatenate([1.0 - p, p], axis=1) for p in (targets, outputs))
        true = targets.argmax(axis=1)
        shares = np.take_along_axis(outputs, true[:, np.newaxis], axis=1)[:, 0]
        right = outputs.argmax(axis=1) == true
        width = inputs.shape[2]
        bars = np.zeros((len(inputs), _BAR, width, 3), np.float32)
        for bar, share, green in zip(bars, shares, right, strict=True):
            bar[:, : round(float(share) * width)] = (40, 170, 60) if green else (200, 40, 40)
        return np.concatenate([inputs, bars], axis=1).astype(np.uint8)


def _same_side(y_true: Any, y_pred: Any) -> Any:
    same = keras.ops.equal(y_true > 0.5, y_pred > 0.5)
    return keras.ops.mean(keras.ops.cast(same, "float32"), axis=-1)
