"""What a training leaves for people and later steps: ModelRun files of `components.artifacts`."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import keras

from components import artifacts
from components.trainer.hyperparameters import Scalar
from components.trainer.records import curves, history
from components.trainer.settings import TrainerConfig


def write_records(
    folder: Path,
    config: TrainerConfig,
    model: keras.Model,
    epochs: list[history.EpochRecord],
    keys: Iterable[str],
    *,
    chosen: Mapping[str, Scalar] | None = None,
) -> None:
    """Writes the history, its curves and the keys of what was trained on.

    Args:
        folder: there already.
        config: of the training.
        model: which was trained.
        epochs: records of all epochs.
        keys: split keys of the training split.
        chosen: what a tuner chose, by dotted key.
    """
    history.write_history(
        folder / artifacts.HISTORY,
        model=config.model,
        parameters=model.count_params(),
        seed=config.seed,
        epochs=epochs,
        monitor=config.monitor,
        made_with=history.made_with(config.precision),
        hyperparameters=dict(chosen or {}),
        test_time_flip=config.export.test_time_flip,
    )
    curves.draw_curves(epochs, config.model, folder / artifacts.CURVES, config.monitor)
    write_keys(folder / artifacts.TRAINING_KEYS, keys)


def write_keys(path: Path, keys: Iterable[str]) -> None:
    """Writes split keys, one a line; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
