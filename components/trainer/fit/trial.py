"""Trainings that are compared: each on the same data, and each made only once.

A trial leaves its records, not its weights. Killed in the middle it goes on after its last whole
epoch; done, it is read instead of made again.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from components.trainer.devices.distribution import Distribution
from components.trainer.fit import stages
from components.trainer.fit.building import dtype_policy
from components.trainer.fit.callbacks import NonFiniteLossError
from components.trainer.input.split import Splits
from components.trainer.records.history import EpochRecord, joined
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig
from serving.stores.files import write_whole


@dataclass(frozen=True)
class Trial:
    """How a training went."""

    epochs: list[EpochRecord]  # its whole ones; empty only if it failed in the first one
    failure: str = ""  # why it ended before its last epoch; empty if it did not


def run_trial(config: TrainerConfig, splits: Splits, folder: Path) -> Trial:
    """Trains a configuration to its end, unless an earlier call in the same folder has done so.

    Args:
        config: of the training; its `monitor` tells the best epoch.
        splits: that all trials share; decoded once a size, and only for what really trains.
        folder: where trials are kept. It has to be another one when the code of a training is
            another one; everything else that matters is told apart in it.

    Returns:
        The trial. A loss that is no number is a failure of it, not an error.

    Raises:
        InputError: the model cannot be built so, or does not fit the task; only one class to learn
            from; or a batch that the devices cannot share.
        FailedError: out of memory.
    """
    config.check_task(splits.task)
    folders = stages.state_folders(folder, config, splits)
    record = folders[-1].with_suffix(".json")
    if record.exists():
        return Trial(**json.loads(record.read_text(encoding="utf-8")))
    keras.utils.clear_session()  # many models in one process would add up
    devices = Distribution()
    try:
        with dtype_policy(config.precision):
            done = stages.train(
                stages.first_model(config, splits, devices),
                splits.load_once,
                part=splits.part,
                config=config,
                folders=folders,
                distribution=devices,
            )
        trial = Trial(joined([stage.epochs for stage in done]))
    except NonFiniteLossError as error:
        kept = [epochs for each in folders if (epochs := TrainingState(each).epochs)]
        told = str(error.__cause__ or error)  # without the stage's name
        trial = Trial(joined(kept) if kept else [], failure=told.partition(":")[0])
    write_whole(record, json.dumps(asdict(trial)).encode())
    for each in folders:
        shutil.rmtree(each)
    return trial
