"""A helper: trainings in processes of their own, `run_training.py FUNCTION ARGUMENTS` as JSON."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.tasks import get_task
from components.trainer import run
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, loop
from components.trainer.input.split import index_splits
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig
from serving.classes import Classes


def run_fn(fn_args: dict[str, Any]) -> None:
    run.run_fn(types.SimpleNamespace(**fn_args))


def mirrored(train: list[str], evaluation: list[str], trainer: dict[str, Any], folder: str) -> None:
    """On two devices that every machine has, two epochs in two calls, measured afterwards."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    distribution = Distribution(["CPU:0", "CPU:1"])
    task = get_task("image_classification")
    splits = index_splits(train, evaluation, task, Classes(("cat", "dog")))
    loaded = splits.load(trainer["image_size"])

    def fit(epochs: int, name: str, weights: Any = None) -> tuple[Any, list[dict[str, Any]]]:
        config = TrainerConfig.model_validate(trainer | {"epochs": epochs, "weights": "as given"})
        with distribution.scope():
            model = building.build_model(config.without_weights, splits.part)
            if weights:
                model.set_weights(weights)
        state = TrainingState(Path(folder, name))
        common = {"part": splits.part, "config": config, "distribution": distribution}
        loop.fit(model, *loaded, progress=state, **common)
        return model, state.epochs

    fit(1, "trained")
    model, records = fit(2, "trained")
    [measured] = fit(0, "measured", model.get_weights())[1]
    print(json.dumps([records, measured]))


if __name__ == "__main__":
    {"run_fn": run_fn, "mirrored": mirrored}[sys.argv[1]](*json.loads(sys.argv[2]))
