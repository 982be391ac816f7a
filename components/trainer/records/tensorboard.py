"""What the model says about the same few pictures as training goes on, for TensorBoard."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.features import CLASS_NAMES
from components.trainer.input.split import Pictures

SAMPLES = 8

# Colours of the mask classes: foreground, background, contour.
_PALETTE = np.array([[230, 120, 40], [30, 60, 110], [250, 240, 200]], np.float32)
_BAR = 6  # pixels of the bar under a classified picture


class SamplePictures(keras.callbacks.Callback):
    """Writes predictions on fixed validation pictures, evenly spread over the split.

    Classification: every picture over a bar, as long as the probability of its true class, green
    where that is above one half and red where not. Segmentation: picture, true mask and predicted
    mask side by side.

    Args:
        evaluation: the validation split.
        problem: 'classification' or 'segmentation'.
        folder: of the event files.
        every: epochs between two looks; the first and the last epoch are always looked at.
    """

    def __init__(self, evaluation: Pictures, problem: str, folder: Path, every: int):
        super().__init__()
        chosen = np.unique(np.linspace(0, len(evaluation) - 1, SAMPLES).astype(int))
        self._images = evaluation.images[chosen].astype(np.float32)
        self._targets = evaluation.targets[chosen]
        self._problem = problem
        self._folder = str(folder)
        self._every = every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if epoch and (epoch + 1) % self._every and epoch + 1 != self.params["epochs"]:
            return
        # The model itself: `predict` would call the callbacks of a prediction in between.
        predictions = keras.ops.convert_to_numpy(self.model(self._images, training=False))
        draw = {"classification": draw_classified, "segmentation": draw_segmented}[self._problem]
        writer = tf.summary.create_file_writer(self._folder)
        with writer.as_default(step=epoch):
            tf.summary.image(
                "predictions", draw(self._images, self._targets, predictions), max_outputs=SAMPLES
            )
        writer.close()


def draw_classified(
    images: np.ndarray, targets: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Pictures over bars of the true class's probability.

    Args:
        images: float32 [n, height, width, 3] in [0, 255].
        targets: float32 [n, 1] of 0 and 1.
        probabilities: float32 [n, 1] of class 1.

    Returns:
        uint8 [n, height + 6, width, 3].
    """
    assert len(CLASS_NAMES) == 2
    right = np.where(targets > 0.5, probabilities, 1.0 - probabilities)[:, 0]
    width = images.shape[2]
    bars = np.zeros((len(images), _BAR, width, 3), np.float32)
    for bar, share in zip(bars, right, strict=True):
        bar[:, : round(float(share) * width)] = (40, 170, 60) if share > 0.5 else (200, 40, 40)
    return np.concatenate([images, bars], axis=1).astype(np.uint8)


def draw_segmented(
    images: np.ndarray, targets: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Pictures, true masks and predicted masks side by side.

    Args:
        images: float32 [n, height, width, 3] in [0, 255].
        targets: uint8 [n, height, width] of class ids.
        probabilities: float32 [n, height, width, classes].

    Returns:
        uint8 [n, height, 3 * width, 3].
    """
    masks = [_PALETTE[targets], _PALETTE[probabilities.argmax(axis=-1)]]
    return np.concatenate([images, *masks], axis=2).astype(np.uint8)
