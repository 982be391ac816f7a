"""What training makes small, what is watched besides, and what a class weighs. `keras` only."""

from typing import Any

import keras
import numpy as np

from components.features import CLASS_NAMES, MASK_CLASS_NAMES
from components.trainer.sections import LossConfig


class SegmentationLoss(keras.losses.Loss):
    """Cross-entropy of every pixel, with smoothing and focus, plus a Dice term a picture.

    Labels are int [batch, height, width] of class ids, predictions float32 [batch, height, width,
    classes] of probabilities. Weights of pixels weigh both terms.

    Args:
        config: label smoothing, focal exponent and weight of the Dice term, which is one minus the
            mean of the classes' Dice coefficients of a picture.
    """

    def __init__(self, config: LossConfig):
        super().__init__(name="segmentation_loss")
        self._config = config

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of every pixel, float32 [batch, height, width]."""
        config = self._config
        targets = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), len(MASK_CLASS_NAMES))
        if config.focal_gamma:
            loss = keras.losses.categorical_focal_crossentropy(
                targets,
                y_pred,
                alpha=1.0,  # weights of classes are `class_weights`
                gamma=config.focal_gamma,
                label_smoothing=config.label_smoothing,
            )
        else:
            loss = keras.losses.categorical_crossentropy(
                targets, y_pred, label_smoothing=config.label_smoothing
            )
        if config.dice:
            dice = keras.losses.dice(targets, y_pred, axis=(1, 2))
            loss = loss + config.dice * keras.ops.mean(dice, axis=-1)[:, None, None]
        return loss


def build_loss(config: LossConfig, problem: str) -> keras.losses.Loss:
    """The loss of 'classification' (labels float32 [batch, 1]) or 'segmentation'."""
    if problem == "segmentation":
        return SegmentationLoss(config)
    if config.focal_gamma:
        return keras.losses.BinaryFocalCrossentropy(
            gamma=config.focal_gamma, label_smoothing=config.label_smoothing
        )
    return keras.losses.BinaryCrossentropy(label_smoothing=config.label_smoothing)


def build_metrics(problem: str) -> list[keras.metrics.Metric]:
    """Accuracy (classification); pixel accuracy and mean intersection over union (segmentation)."""
    if problem == "classification":
        return [keras.metrics.MeanMetricWrapper(_accuracy, name="accuracy")]
    return [
        keras.metrics.SparseCategoricalAccuracy(name="pixel_accuracy"),
        keras.metrics.MeanIoU(
            num_classes=len(MASK_CLASS_NAMES), sparse_y_pred=False, name="mean_iou"
        ),
    ]


def resolve_class_weights(config: LossConfig, targets: np.ndarray, problem: str) -> list[float]:
    """The weight of each class.

    `balanced` gives total / (classes * count of the class), so that the mean weight over the
    targets is 1, as scikit-learn's function of that name does.

    Args:
        config: `class_weights`; `TrainerConfig.check_problem` has counted them.
        targets: of the training split, float32 [n, 1] or uint8 [n, height, width].
        problem: 'classification' or 'segmentation'.

    Returns:
        Weights in the order of the class names; empty if there are none.
    """
    names = CLASS_NAMES if problem == "classification" else MASK_CLASS_NAMES
    if config.class_weights is None:
        return []
    if config.class_weights == "balanced":
        counts = np.zeros(len(names), np.int64)
        for target in targets:  # one by one: NumPy counts in int64, eight times the size of a mask
            counts += np.bincount(target.astype(np.int64).ravel(), minlength=len(names))
        return [float(w) for w in counts.sum() / (len(names) * np.maximum(counts, 1))]
    return config.class_weights


def sample_weights(weights: list[float], targets: Any, problem: str) -> Any:
    """Spreads class weights over a batch.

    Args:
        weights: of `resolve_class_weights`, not empty.
        targets: float32 [batch, 1] in [0, 1] (blended labels get blended weights) or integer
            [batch, height, width].
        problem: 'classification' or 'segmentation'.

    Returns:
        float32 [batch, 1] or [batch, height, width].
    """
    if problem == "segmentation":
        table = keras.ops.convert_to_tensor(weights, "float32")
        return keras.ops.take(table, keras.ops.cast(targets, "int32"))
    return weights[0] + (weights[1] - weights[0]) * targets


def _accuracy(y_true: Any, y_pred: Any) -> Any:
    """Whether the more likely class is right; a blended label counts as its larger part."""
    same = keras.ops.equal(y_true > 0.5, y_pred > 0.5)
    return keras.ops.mean(keras.ops.cast(same, "float32"), axis=-1)
