"""Trainings that are compared: each on the same data, and each made only once.

A trial leaves its records, not its weights. Killed in the middle it goes on after its last whole
epoch; done, it is read instead of made again.
"""

import functools
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import tensorflow as tf

from components import features
from components.trainer.devices.distribution import Distribution, prepare_devices
from components.trainer.fit import loop
from components.trainer.fit.building import build_model, dtype_policy
from components.trainer.fit.callbacks import NonFiniteLossError
from components.trainer.fit.weights import digests
from components.trainer.input import split as pictures
from components.trainer.records.history import EpochRecord
from components.trainer.records.state import TrainingState, fingerprint
from components.trainer.settings import TrainerConfig


@dataclass(frozen=True)
class Trial:
    """How a training went.

    Attributes:
        epochs: records of its whole epochs; empty only if it failed in the first one.
        failure: why it ended before its last epoch; empty if it did not.
    """

    epochs: list[EpochRecord]
    failure: str = ""


@dataclass(frozen=True)
class Splits:
    """The pictures that all trials share; decoded once, and only when a trial is really made.

    Attributes:
        train_index, eval_index: of `pictures.index_split`.
        problem: 'classification' or 'segmentation'.
        size: side of the pictures in pixels.
    """

    train_index: pictures.Index
    eval_index: pictures.Index
    problem: str
    size: int

    @functools.cached_property
    def train(self) -> pictures.Pictures:
        """What trials learn from."""
        return pictures.load_split(self.train_index, self.problem, self.size)

    @functools.cached_property
    def evaluation(self) -> pictures.Pictures:
        """What they are compared by."""
        return pictures.load_split(self.eval_index, self.problem, self.size)


def index_splits(
    train_files: list[str], eval_files: list[str], problem: str, config: TrainerConfig
) -> Splits:
    """Looks at the pictures of all trials, without decoding them.

    Args:
        train_files, eval_files: file patterns of gzipped TFRecords of Examples.
        problem: 'classification' or 'segmentation'.
        config: whose image size all trials share.

    Raises:
        InputError: an empty split, or only one class to learn from.
    """
    prepare_devices()
    return Splits(
        pictures.index_split(train_files, features.SPLITS[0], problem),
        pictures.index_split(eval_files, features.SPLITS[1], problem),
        problem,
        config.side,
    )


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
        InputError: the model cannot be built so, or does not fit the problem; or a batch that the
            devices cannot share.
        FailedError: out of memory.
    """
    config.check_problem(splits.problem)
    name = fingerprint(
        problem=splits.problem,
        trainer=config.training_values(),
        data=[splits.train_index.digest, splits.eval_index.digest],
        versions=[tf.__version__, keras.__version__],
        start=digests(config),
        code=hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    )
    record = folder / f"{name}.json"
    if record.exists():
        return Trial(**json.loads(record.read_text(encoding="utf-8")))
    keras.utils.clear_session()  # many models in one process would add up
    progress = TrainingState(folder / name, config.monitor)
    devices = Distribution()
    try:
        with dtype_policy(config.precision):
            with devices.scope():
                model = build_model(config)
            epochs = loop.fit(
                model,
                splits.train,
                splits.evaluation,
                problem=splits.problem,
                config=config,
                progress=progress,
                distribution=devices,
            )
        trial = Trial(epochs)
    except NonFiniteLossError as error:
        trial = Trial(progress.epochs(), failure=str(error).partition(":")[0])
    draft = record.with_suffix(".new")
    draft.write_text(json.dumps(asdict(trial)), encoding="utf-8")
    draft.replace(record)
    shutil.rmtree(progress.folder)
    return trial
