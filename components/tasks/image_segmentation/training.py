"""Classes of pixels: targets, loss and metrics of a training."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components import features, preprocessing
from components.tasks import parts
from components.trainer.sections import LossConfig
from serving.classes import IGNORED
from serving.errors import InputError


class Part(parts.Training):
    """Targets are uint8 [batch, side, side] of class ids; `IGNORED` ones count nowhere."""

    moves = True

    def decode(self, example: Any, side: int | None) -> tuple[Any, Any]:
        """uint8 [side, side, 3], RGB, and the target."""
        assert side is not None
        encoded = tf.io.FixedLenFeature([], tf.string)
        parsed = tf.io.parse_single_example(
            example, {features.IMAGE: encoded, features.MASK: encoded}
        )
        image = preprocessing.decode_image(parsed[features.IMAGE], side)
        mask = preprocessing.decode_mask(parsed[features.MASK], side)
        return tf.cast(tf.round(image), tf.uint8), mask

    def class_counts(self, targets: np.ndarray) -> np.ndarray:  # noqa: D102
        counts = np.zeros(IGNORED + 1, np.int64)
        for target in targets:  # one by one: NumPy counts in int64, eight times the size of a mask
            counts += np.bincount(target.ravel(), minlength=len(counts))
        if self.classes.ignored is not None:
            counts[IGNORED] = 0
        used = int(counts.nonzero()[0].max(initial=0)) + 1
        return counts[: max(used, len(self.classes))]

    def check_targets(self, split: str, targets: np.ndarray) -> None:
        """Refuses ids that are no class; an image need not show all classes, nor a split."""
        found = len(self.class_counts(targets)) - 1
        if found >= len(self.classes):
            raise InputError(
                f"a mask of the {split} split",
                expected=f"class ids 0 to {len(self.classes) - 1}",
                found=str(found),
            )

    def loss(self, config: LossConfig) -> keras.losses.Loss:  # noqa: D102
        return SegmentationLoss(config, len(self.classes))

    def metrics(self) -> list[Any]:
        """Pixel accuracy and mean intersection over union."""
        count = len(self.classes)
        return [
            _PixelAccuracy(name="pixel_accuracy"),
            keras.metrics.MeanIoU(count, "mean_iou", ignore_class=IGNORED, sparse_y_pred=False),
        ]

    def sample_weights(self, weights: list[float], targets: Any) -> Any:
        """float32 [batch, side, side]."""
        table = keras.ops.convert_to_tensor([*weights, 0.0], "float32")
        ids = keras.ops.minimum(keras.ops.cast(targets, "int32"), len(weights))
        return keras.ops.take(table, ids)

    def draw_samples(
        self, inputs: np.ndarray, targets: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        """Images, true masks and predicted masks side by side; what is ignored is grey.

        Images are float32 [n, height, width, 3] in [0, 255], outputs probabilities; gives uint8
        [n, height, 3 * width, 3].
        """
        colors = np.full((IGNORED + 1, 3), 128, np.float32)
        colors[: len(self.classes)] = self.classes.colors
        masks = [colors[targets], colors[outputs.argmax(axis=-1)]]
        return np.concatenate([inputs, *masks], axis=2).astype(np.uint8)


class SegmentationLoss(keras.losses.Loss):
    """Cross-entropy of every pixel, with smoothing and focus, plus a Dice term an image.

    Labels are int [batch, height, width] of class ids, predictions float32 [batch, height, width,
    classes] of probabilities. Weights of pixels weigh both terms. Where pixels are ignored, the
    others of the same image weigh the more: every image weighs the same, on whatever device.

    Args:
        config: label smoothing, focal exponent and weight of the Dice term, which is one minus the
            mean of the classes' Dice coefficients of an image.
        classes: how many there are.
    """

    def __init__(self, config: LossConfig, classes: int):
        super().__init__(name="segmentation_loss")
        self._config = config
        self._classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of every pixel, float32 [batch, height, width]."""
        config, ops = self._config, keras.ops
        smoothing = config.label_smoothing
        ids = ops.cast(y_true, "int32")
        counted = ops.cast(ops.not_equal(ids, IGNORED), "float32")
        targets = ops.one_hot(ops.where(ids == IGNORED, 0, ids), self._classes)
        if config.focal_gamma:  # alpha: weights of classes are `class_weights`
            loss = keras.losses.categorical_focal_crossentropy(
                targets, y_pred, alpha=1.0, gamma=config.focal_gamma, label_smoothing=smoothing
            )
        else:
            loss = keras.losses.categorical_crossentropy(targets, y_pred, label_smoothing=smoothing)
        if config.dice:
            targets, y_pred = targets * counted[..., None], y_pred * counted[..., None]
            dice = keras.losses.dice(targets, y_pred, axis=(1, 2))
            loss = loss + config.dice * ops.mean(dice, axis=-1)[:, None, None]
        share = ops.mean(counted, axis=(1, 2), keepdims=True)
        return loss * counted / ops.where(share > 0.0, share, 1.0)


class _PixelAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Of pixels that are not ignored."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch; there are no other weights."""
        counted = keras.ops.not_equal(y_true, IGNORED)
        super().update_state(
            keras.ops.where(counted, y_true, 0), y_pred, keras.ops.cast(counted, "float32")
        )
