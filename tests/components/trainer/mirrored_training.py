"""A training on two devices in two calls, measured afterwards: `mirrored_training.py ARGUMENTS`.

A test helper; the arguments are JSON. As `run_fn` does on two GPUs, but on two devices that every
machine has.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

from components.tasks import get_task
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, loop
from components.trainer.input.split import index_split, load_split
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig
from serving.classes import Classes


def main(train: list[str], evaluation: list[str], trainer: dict, folder: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    distribution = Distribution(["CPU:0", "CPU:1"])
    config = TrainerConfig.model_validate(trainer)
    task = get_task("image_classification")
    part = task.training(Classes(("cat", "dog")))
    splits = [
        load_split(index_split(patterns, split, task, part), part, config.image_size)
        for patterns, split in ((train, "train"), (evaluation, "eval"))
    ]
    for epochs in (1, 2):  # the second call goes on where the first one stopped
        config = config.model_copy(update={"epochs": epochs})
        with distribution.scope():
            model = building.build_model(config, part)
        records = loop.fit(
            model,
            *splits,
            part=part,
            config=config,
            progress=TrainingState(Path(folder)),
            distribution=distribution,
        )
    with distribution.scope():
        given = building.build_model(config, part)
        given.set_weights(model.get_weights())
    [measured] = loop.fit(
        given,
        *splits,
        part=part,
        config=config.model_copy(update={"epochs": 0}),
        progress=TrainingState(Path(folder, "measured")),
        distribution=distribution,
    )
    print(json.dumps([records, measured]))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
