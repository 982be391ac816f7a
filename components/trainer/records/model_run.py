"""What a training leaves for people and later steps: ModelRun files of `components.artifacts`."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
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
    chosen: Mapping[str, Scalar],
) -> None:
    """Writes the history, its curves and the split keys of what was trained on.

    What a tuner chose comes by dotted key.
    """
    content = {
        "model": config.model,
        "parameters": model.count_params(),
        "seed": config.seed,
        "made_with": history.made_with(config.precision),
        "hyperparameters": dict(chosen),
        "test_time_flip": config.export.test_time_flip,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "monitor": config.monitor,
        "best_epoch": history.best_epoch(epochs, config.monitor)["epoch"],
        "epochs": epochs,
    }
    text = json.dumps(content, indent=1)
    (folder / artifacts.HISTORY).write_text(f"{text}\n", encoding="utf-8")
    curves.draw_curves(epochs, config.model, folder / artifacts.CURVES, config.monitor)
    write_keys(folder / artifacts.TRAINING_KEYS, keys)


def write_keys(path: Path, keys: Iterable[str]) -> None:
    """Writes split keys, one a line; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
