"""Trainings one after another, each from the best epoch of the one before.

Small pictures first, large ones last: the work of a convolution falls with the square of the
picture's side, so most epochs become cheap ("progressive resizing", Howard and Gugger, "Deep
Learning for Coders with fastai and PyTorch", 2020, chapter 7).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from components.errors import InputError
from components.trainer import history, loop
from components.trainer.building import bare_model, build_model, continued_model
from components.trainer.distribution import Distribution
from components.trainer.pictures import Pictures
from components.trainer.settings import TrainerConfig
from components.trainer.state import TrainingState

# Side in pixels -> what is learned from, and what tells the best epoch.
Load = Callable[[int], tuple[Pictures, Pictures]]


@dataclass(frozen=True)
class Stage:
    """A stage that is trained to its end.

    Attributes:
        state: on the chief, it holds the best checkpoint.
        epochs: records of `history.EpochRecord`, counted from 1.
    """

    state: TrainingState
    epochs: list[history.EpochRecord]

    @property
    def best_checkpoint(self) -> Path:
        """The weights of the best epoch."""
        return self.state.best_checkpoint(self.epochs)


def first_model(config: TrainerConfig) -> keras.Model:
    """The model that the first stage starts with.

    Raises:
        InputError: the architecture cannot be built so, the weights do not fit it, or its own do
            not fit it at the size of a later stage.
    """
    first, *others = config.stages
    model = build_model(first)
    for stage in others:
        if _shapes(bare_model(stage)) != _shapes(model):
            raise InputError(
                "trainer.earlier_stages",
                expected=f"one image size throughout: weights of '{config.model}' fit only one",
                found=f"{first.side} before {stage.side}",
            )
    return model


def train(
    model: keras.Model,
    load: Load,
    *,
    problem: str,
    config: TrainerConfig,
    folder: Path,
    distribution: Distribution,
) -> list[Stage]:
    """Trains all stages to their ends, from where an interrupted call left them.

    Args:
        model: of `first_model`, built in the distribution's scope.
        load: decodes the pictures; called once a stage.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        folder: of the training's state; several stages have each a folder in it.
        distribution: the devices.

    Returns:
        The stages in their order.

    Raises:
        As `loop.fit`.
    """
    plan = config.stages
    done: list[Stage] = []
    for number, stage in enumerate(plan, start=1):
        place = folder
        if len(plan) > 1:
            place = folder / f"stage-{number}"
            told = f"image_size {stage.side}, epochs {stage.epochs}"
            print(f"stage {number} of {len(plan)}: {told}", flush=True)
        if done:
            with distribution.scope():
                model = continued_model(stage)
                if distribution.is_chief:  # the other nodes take over what it has
                    model.load_weights(done[-1].best_checkpoint)
        progress = TrainingState(place, stage.monitor)
        train_pictures, eval_pictures = load(stage.side)
        epochs = loop.fit(
            model,
            train_pictures,
            eval_pictures,
            problem=problem,
            config=stage,
            progress=progress,
            distribution=distribution,
        )
        done.append(Stage(progress, epochs))
    return done


def _shapes(model: keras.Model) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in model.weights]
