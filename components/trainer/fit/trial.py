"""Trainings that are compared: each on the same data, and each made only once.

A trial leaves its records, not its weights. Killed in the middle it goes on after its last whole
epoch; done, it is read instead of made again.
"""

import functools
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import tensorflow as tf

from components import features
from components.tasks import Task
from components.tasks.parts import Training
from components.trainer.devices.distribution import Distribution, prepare_devices
from components.trainer.fit import stages
from components.trainer.fit.building import dtype_policy
from components.trainer.fit.callbacks import NonFiniteLossError
from components.trainer.fit.weights import digests
from components.trainer.input.split import Index, Split, index_split, load_split
from components.trainer.records.history import EpochRecord, joined
from components.trainer.records.state import TrainingState, fingerprint
from components.trainer.settings import TrainerConfig
from serving.classes import Classes


@dataclass(frozen=True)
class Trial:
    """How a training went.

    Attributes:
        epochs: records of its whole epochs; empty only if it failed in the first one.
        failure: why it ended before its last epoch; empty if it did not.
    """

    epochs: list[EpochRecord]
    failure: str = ""


@dataclass(frozen=True, eq=False)
class Splits:
    """The Examples that all trials share; decoded once a size, and only for what really trains.

    Trials learn from `train_index` and are compared by `eval_index`.
    """

    task: Task
    part: Training
    train_index: Index
    eval_index: Index

    @functools.cached_property
    def load(self) -> stages.Load:
        """Both splits by the side of their images in pixels."""

        @functools.cache
        def decoded(side: int | None) -> tuple[Split, Split]:
            train, evaluation = (
                load_split(index, self.part, side) for index in (self.train_index, self.eval_index)
            )
            return train, evaluation

        return decoded


def index_splits(
    train_files: list[str], eval_files: list[str], task: Task, classes: Classes
) -> Splits:
    """Looks at the Examples of all trials, given by file patterns, without decoding them.

    Raises:
        InputError: an empty split.
    """
    prepare_devices()
    part = task.training(classes)
    train, evaluation = (
        index_split(files, split, task, part)
        for files, split in zip((train_files, eval_files), features.SPLITS, strict=False)
    )
    return Splits(task, part, train, evaluation)


def run_trial(config: TrainerConfig, splits: Splits, folder: Path) -> Trial:
    """Trains a configuration to its end, unless an earlier call in the same folder has done so.

    Args:
        config: of the training; its `monitor` tells the best epoch.
        splits: of `index_splits`.
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
    name = fingerprint(
        task=splits.task.name,
        classes=splits.part.classes.to_json(),
        trainer=config.training_values(),
        data=[splits.train_index.digest, splits.eval_index.digest],
        versions=[tf.__version__, keras.__version__],
        start=digests(config),
    )
    record = folder / f"{name}.json"
    if record.exists():
        return Trial(**json.loads(record.read_text(encoding="utf-8")))
    keras.utils.clear_session()  # many models in one process would add up
    devices = Distribution()
    counts = len(splits.train_index), len(splits.eval_index)
    folders = [folder / name / str(number) for number in range(len(config.trainings))]
    try:
        with dtype_policy(config.precision):
            done = stages.train(
                stages.first_model(config, splits.part, counts, devices),
                splits.load,
                part=splits.part,
                config=config,
                folders=folders,
                distribution=devices,
            )
        trial = Trial(joined([stage.epochs for stage in done]))
    except NonFiniteLossError as error:
        kept = [epochs for each in folders if (epochs := TrainingState(each).epochs())]
        told = str(error.__cause__ or error)  # without the stage's name
        trial = Trial(joined(kept) if kept else [], failure=told.partition(":")[0])
    draft = record.with_suffix(".new")
    draft.write_text(json.dumps(asdict(trial)), encoding="utf-8")
    draft.replace(record)
    shutil.rmtree(folder / name)
    return trial
