"""What happens beside the training steps: guard, records, backup, early stop, sample images."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer.input.split import Split
from components.trainer.records.history import EpochRecord, best_epoch, epoch_record, told
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig

SAMPLES = 8

# (inputs, targets, outputs) -> uint8 [n, height, width, 3]
Draw = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite: the weights are lost, and nothing is exported."""


def is_finished(config: TrainerConfig, epochs: list[EpochRecord]) -> bool:
    """Whether a training, without stages, has come to its end with those records.

    That is after its last epoch, or after too many without a better value than ever before.
    """
    if config.patience and epochs:
        best = best_epoch(epochs, config.monitor)["epoch"]
        if len(epochs) - best >= config.patience:
            return True
    return len(epochs) >= config.epochs


class EpochKeeper(keras.callbacks.Callback):
    """Keeps whole epochs, their records and what a killed training goes on from; stops early.

    Keras's own callbacks for that forget what was before an interruption. Of a broken epoch nothing
    is kept: the training stops with an error that names epoch, step and the best checkpoint, which
    Keras's TerminateOnNaN knows nothing of; nor does it look at validation.

    Args:
        state: takes records, and weights after every epoch.
        config: see `is_finished`.
        examples: that an epoch learns from.
        writes: whether this node writes the state, and a line an epoch where Keras shows no bar.
    """

    def __init__(self, state: TrainingState, config: TrainerConfig, examples: int, writes: bool):
        super().__init__()
        self._state = state
        self._config = config
        self._examples = examples
        self._writes = writes
        self._begin = self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check("loss", logs, f", step {batch + 1}")

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check("val_loss", logs)
        seconds = time.perf_counter() - self._begin
        record = epoch_record(epoch + 1, seconds, logs or {})
        self._state.epochs.append(record)
        if self._writes and not self.params["verbose"]:
            rate = self._examples / (self._trained - self._begin)
            print(
                f"epoch {epoch + 1}/{self.params['epochs']}: {seconds:.1f} s,"
                f" {rate:.1f} examples/s trained, {told(record)}",
                flush=True,
            )
        if self._writes:
            self._state.save(self.model)
        if is_finished(self._config, self._state.epochs):
            self.model.stop_training = True

    def _check(self, name: str, logs: dict[str, Any] | None, step: str = "") -> None:
        value = float((logs or {})[name])
        if math.isfinite(value):
            return
        done = len(self._state.epochs)
        raise NonFiniteLossError(
            f"{name} is {value} at epoch {done + 1}{step}: training stopped, nothing is exported; "
            "lower trainer.learning_rate or look for broken images; the best checkpoint so far: "
            f"{self._state.best_checkpoint if done else 'none'}"
        )


class SampleImages(keras.callbacks.Callback):
    """Draws the same validation images, evenly spread over the split, for TensorBoard.

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
