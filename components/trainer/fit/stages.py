"""Trainings one after another, each from the best epoch of the one before.

Small images first, large ones last: the work of a convolution falls with the square of the image's
side, so most epochs become cheap ("progressive resizing", Howard and Gugger, "Deep Learning for
Coders with fastai and PyTorch", 2020, chapter 7). Or the head first, and then the top of a
pretrained backbone too.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.tasks.parts import Training
from components.trainer.devices import replicas
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import loop
from components.trainer.fit.building import bare_model, build_model, digests
from components.trainer.fit.callbacks import NonFiniteLossError, is_finished
from components.trainer.input.split import Split, Splits
from components.trainer.records.state import TrainingState
from components.trainer.settings import STAGES, TrainerConfig
from serving.errors import FailedError, InputError


def state_folders(root: Path, config: TrainerConfig, splits: Splits, **parts: Any) -> list[Path]:
    """The folder of each stage's state, named by all that determines it, stages before included.

    That is the task, data, settings, versions, files to start from, and `parts`, which are JSON.
    With another last stage those before it need no training again.

    Raises:
        InputError: a file to start from is not there.
    """
    parts |= {
        "task": splits.task.name,
        "classes": splits.part.classes.to_json(),
        "data": [splits.train_index.digest, splits.eval_index.digest],
        "versions": [tf.__version__, keras.__version__],
        "start": digests(config),
        "trainings": [],
    }
    folders = []
    for stage in config.trainings:
        # How the trained model answers is no part of its training.
        parts["trainings"].append(stage.model_dump(mode="json", exclude={"export"}))
        name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
        folders.append(root / name)
    return folders


def first_model(config: TrainerConfig, splits: Splits, distribution: Distribution) -> keras.Model:
    """The model that the first stage starts with; refuses what a later one would stumble over.

    Raises:
        InputError: the architecture cannot be built so, the weights do not fit it, its own do not
            fit it at the size of a later stage, or the devices cannot share a stage's batches.
    """
    first, *others = plan = config.trainings
    learned, judged = len(splits.train_index), len(splits.eval_index)
    for number, stage in enumerate(plan):
        with _named(number, len(plan)):
            distribution.check_batches(stage.batch_size, learned)
            replicas.evaluation_rows(judged, stage.batch_size, distribution.local_replicas)
    with distribution.scope(), _named(0, len(plan)):
        model = build_model(first, splits.part)
    for number, stage in enumerate(others, start=1):
        if stage.image_size == plan[number - 1].image_size:
            continue
        with _named(number, len(plan)):
            later = bare_model(stage, splits.part)
        if _shapes(later) != _shapes(model):
            raise InputError(
                STAGES,
                expected=f"one image size throughout: weights of '{config.model}' fit only one",
                found=f"{first.image_size} before {stage.image_size}",
            )
    return model


def train(
    model: keras.Model,
    load: Callable[[int | None], tuple[Split, Split]],
    *,
    part: Training,
    config: TrainerConfig,
    folders: Sequence[Path],
    distribution: Distribution,
) -> list[TrainingState]:
    """Trains all stages to their ends, from where an interrupted call left them.

    Args:
        model: of `first_model`.
        load: as `Splits.load`; called once a stage that is not finished.
        part, config, distribution: as in `loop.fit`, which also tells what is raised.
        folders: of the state of each stage.
    """
    plan = config.trainings
    done: list[TrainingState] = []
    for number, (stage, folder) in enumerate(zip(plan, folders, strict=True)):
        if len(plan) > 1:
            size = f"image_size {stage.image_size}, " if stage.image_size else ""
            told = f"{size}epochs {stage.epochs}, learn {stage.learn}"
            print(f"stage {number + 1} of {len(plan)}: {told}", flush=True)
        progress = TrainingState(folder, stage.monitor)
        progress.epochs = distribution.from_chief(progress.epochs)
        if stage.epochs and is_finished(stage, progress.epochs):
            print(f"trained already (epochs: {len(progress.epochs)})", flush=True)
        else:
            if done:
                with distribution.scope():
                    model = build_model(stage, part)
                    if distribution.cluster.is_chief:  # the other nodes take over what it has
                        model.load_weights(done[-1].best_checkpoint)
            with _named(number, len(plan)):
                loop.fit(
                    model,
                    *load(stage.image_size),  # given away: one size at a time is in memory
                    part=part,
                    config=stage,
                    progress=progress,
                    distribution=distribution,
                )
        done.append(progress)
    return done


@contextlib.contextmanager
def _named(number: int, count: int) -> Iterator[None]:
    """Says of what goes wrong in one of several stages in which one it does."""
    try:
        yield
    except (InputError, FailedError, NonFiniteLossError) as error:
        if count == 1:
            raise
        raise type(error)(f"{STAGES}.{number}: {error}") from error


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in model.weights]
