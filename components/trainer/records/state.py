"""The training state on disk: whole after every epoch, so that a killed training goes on.

Keras's BackupAndRestore overwrites its files in place and knows neither the history, nor the best
epoch, nor the state of augmentation and dropout; a kill while it writes leaves nothing usable.
Here every epoch has files of its own, and one renamed file says which of them count.
"""

import json
import os
from pathlib import Path
from typing import Any

import keras

from components.trainer.records.history import EpochRecord, best_epoch
from serving.stores.files import write_whole

TENSORBOARD_FOLDER = "tensorboard"

_STATE = "state.json"
_BEST_PATTERN = "best-{epoch:04d}.weights.h5"
_WEIGHTS_PATTERN = "weights-{epoch:04d}.weights.h5"


class TrainingState:
    """A folder of weights, optimizer, random state and history of the last whole epoch.

    Beside them it has the weights of the best one.

    Args:
        folder: the training's own; made if it is not there.
        monitor: the value that tells the best epoch.

    Attributes:
        epochs: records of the whole epochs done so far.
    """

    def __init__(self, folder: Path, monitor: str = "val_loss"):
        self.folder = folder
        self.monitor = monitor
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / _STATE
        self.epochs: list[EpochRecord] = self._read()["epochs"] if self._file.exists() else []

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's logs, of this and of interrupted calls."""
        return self.folder / TENSORBOARD_FOLDER

    @property
    def best_checkpoint(self) -> Path:
        """The weights of the best epoch, on the chief; there has to be one."""
        best = best_epoch(self.epochs, self.monitor)
        return self.folder / _BEST_PATTERN.format(epoch=best["epoch"])

    def restore(self, model: keras.Model) -> None:
        """Puts a model of `compile_model` where the last whole epoch left it; it needs one."""
        state = self._read()
        model.load_weights(self.folder / _WEIGHTS_PATTERN.format(epoch=len(state["epochs"])))
        for variable, value in zip(seed_states(model), state["seeds"], strict=True):
            variable.assign(value)

    def save(self, model: keras.Model) -> None:
        """Makes the end of the last of the epochs the point to go on from, all or nothing."""
        weights = self.folder / _WEIGHTS_PATTERN.format(epoch=len(self.epochs))
        best = self.best_checkpoint
        is_best = best_epoch(self.epochs, self.monitor) is self.epochs[-1]
        for path in [weights, best] if is_best else [weights]:
            model.save_weights(path, overwrite=True)
        # On the disk before the file that names them, also if the machine fails and not only we.
        for path in (weights, best):
            _flush(path)
        seeds = [keras.ops.convert_to_numpy(variable).tolist() for variable in seed_states(model)]
        write_whole(self._file, json.dumps({"epochs": self.epochs, "seeds": seeds}).encode())
        _flush(self.folder)
        keep = {_STATE, weights.name, best.name, TENSORBOARD_FOLDER}
        for path in self.folder.iterdir():
            if path.name not in keep:
                path.unlink()

    def _read(self) -> Any:
        return json.loads(self._file.read_text(encoding="utf-8"))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seed_states(model: keras.Model) -> list[Any]:
    """Counters of the random layers, in the model's order; `save_weights` leaves them out."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]
