"""What happens beside the training steps: guard, record, progress, backup."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras

from components.trainer.records.history import EpochRecord, best_epoch, epoch_record, told
from components.trainer.records.state import TrainingState


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite: the weights are lost, and nothing is exported."""


class NonFiniteLossGuard(keras.callbacks.Callback):
    """Stops with an error that names epoch and step; Keras's TerminateOnNaN stops without one."""

    def __init__(self, state: TrainingState, epochs: list[EpochRecord]):
        super().__init__()
        self._state = state
        self._epochs = epochs
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check("loss", logs, f"epoch {self._epoch}, step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check("val_loss", logs, f"epoch {self._epoch}")

    def _check(self, name: str, logs: dict[str, Any] | None, where: str) -> None:
        value = float((logs or {})[name])
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"{name} is {value} at {where}: training stopped, nothing is exported; lower "
                f"trainer.learning_rate or look for broken images{self._kept()}"
            )

    def _kept(self) -> str:
        if not self._epochs:
            return ""
        return f"; the best checkpoint so far: {self._state.best_checkpoint(self._epochs)}"


class EmaWeights(keras.callbacks.SwapEMAWeights):
    """Puts the averaged weights into the model for validation and checkpoint, and takes them back.

    Args:
        averaged: whether they are in the model now, as after restoring the end of an epoch.
    """

    def __init__(self, averaged: bool):
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = averaged  # Keras starts from False and cannot be told


def patience_is_over(epochs: list[EpochRecord], monitor: str, patience: int) -> bool:
    """Whether a training has gone on for so many epochs without a better value than ever before."""
    return bool(epochs) and len(epochs) - best_epoch(epochs, monitor)["epoch"] >= patience


class StopEarly(keras.callbacks.Callback):
    """Stops after epochs without a better value.

    Keras's EarlyStopping forgets what was before an interruption; this one looks at the records
    that `EpochRecorder` keeps.
    """

    def __init__(self, epochs: list[EpochRecord], monitor: str, patience: int):
        super().__init__()
        self._epochs = epochs
        self._asked = (monitor, patience)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if patience_is_over(self._epochs, *self._asked):
            self.model.stop_training = True


class EpochRecorder(keras.callbacks.Callback):
    """Appends a record an epoch; `write` takes it as a line where Keras shows no bar of its own."""

    def __init__(
        self, epochs: list[EpochRecord], examples: int, write: Callable[[str], None] | None
    ):
        super().__init__()
        self._epochs = epochs
        self._examples = examples
        self._write = write
        self._begin = self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._begin = time.perf_counter()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        seconds = time.perf_counter() - self._begin
        record = epoch_record(epoch + 1, seconds, logs or {})
        self._epochs.append(record)
        if self._write is not None:
            rate = self._examples / (self._trained - self._begin)
            self._write(
                f"epoch {epoch + 1}/{self.params['epochs']}: {seconds:.1f} s,"
                f" {rate:.1f} examples/s trained, {told(record)}"
            )


class Backup(keras.callbacks.Callback):
    """Saves the training state after every epoch; comes after checkpoint and recorder."""

    def __init__(self, state: TrainingState, epochs: list[EpochRecord]):
        super().__init__()
        self._state = state
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._state.save(self.model, self._epochs)
