"""What the model says about the same few images as training goes on, for TensorBoard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer.input.split import Split

SAMPLES = 8

# (inputs, targets, outputs) -> uint8 [n, height, width, 3]
Draw = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class SampleImages(keras.callbacks.Callback):
    """Writes what is drawn of fixed validation images, evenly spread over the split.

    So many epochs apart; the first and the last epoch are always looked at.
    """

    def __init__(self, evaluation: Split, draw: Draw, folder: Path, every: int):
        super().__init__()
        chosen = np.unique(np.linspace(0, len(evaluation) - 1, SAMPLES).astype(int))
        self._inputs = evaluation.inputs[chosen].astype(np.float32)
        self._targets = evaluation.targets[chosen]
        self._draw = draw
        self._folder = str(folder)
        self._every = every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if epoch and (epoch + 1) % self._every and epoch + 1 != self.params["epochs"]:
            return
        # The model itself: `predict` would call the callbacks of a prediction in between.
        outputs = keras.ops.convert_to_numpy(self.model(self._inputs, training=False))
        drawn = self._draw(self._inputs, self._targets, outputs)
        writer = tf.summary.create_file_writer(self._folder)
        with writer.as_default(step=epoch):
            tf.summary.image("predictions", drawn, max_outputs=SAMPLES)
        writer.close()
