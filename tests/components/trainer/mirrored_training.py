"""A training on two devices in two calls, measured afterwards: `mirrored_training.py ARGUMENTS`.

A test helper; the arguments are JSON. As `run_fn` does on two GPUs, but on two devices that every
machine has.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, loop
from components.trainer.input import split as pictures
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig


def main(train: list[str], evaluation: list[str], trainer: dict, folder: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    distribution = Distribution(["CPU:0", "CPU:1"])
    config = TrainerConfig.model_validate(trainer)
    splits = [
        pictures.load_split(
            pictures.index_split(patterns, split, "classification"), "classification", config.side
        )
        for patterns, split in ((train, "train"), (evaluation, "eval"))
    ]
    for epochs in (1, 2):  # the second call goes on where the first one stopped
        config = config.model_copy(update={"epochs": epochs})
        with distribution.scope():
            model = building.build_model(config)
        records = loop.fit(
            model,
            *splits,
            problem="classification",
            config=config,
            progress=TrainingState(Path(folder)),
            distribution=distribution,
        )
    with distribution.scope():
        given = building.build_model(config)
        given.set_weights(model.get_weights())
    [measured] = loop.measure(
        given,
        *splits,
        problem="classification",
        config=config,
        progress=TrainingState(Path(folder, "measured")),
        distribution=distribution,
    )
    print(json.dumps([records, measured]))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
