"""Compile and fit: what is optimized, what is watched, and where training goes on."""

import sys
from dataclasses import dataclass
from pathlib import Path

import keras

from components import models
from components.models import transfer
from components.trainer import callbacks, history, losses
from components.trainer.augmentation import make_augment
from components.trainer.input import (
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from components.trainer.optimizer import build_optimizer
from components.trainer.pictures import Pictures
from components.trainer.settings import TrainerConfig
from components.trainer.state import TrainingState
from components.trainer.tensorboard import SamplePictures


@dataclass(frozen=True)
class Phase:
    """Epochs that are trained alike.

    Attributes:
        name: which weights learn, see `components.models.transfer.set_phase`.
        begin, end: epochs, counted from 0, the end excluded.
        learning_rate: its peak.
    """

    name: transfer.Phase
    begin: int
    end: int
    learning_rate: float


def phases(config: TrainerConfig) -> list[Phase]:
    """One phase, or, with `fine_tune`, the head's and the top blocks'."""
    tune = config.fine_tune
    if tune is None:
        return [Phase("all", 0, config.epochs, config.learning_rate)]
    end = config.epochs + tune.epochs
    return [
        Phase("head", 0, config.epochs, config.learning_rate),
        Phase("top", config.epochs, end, tune.learning_rate),
    ]


def compile_model(
    model: keras.Model, problem: str, config: TrainerConfig, phase: Phase, steps: int
) -> None:
    """Sets what learns in a phase, and compiles with optimizer, loss and metrics of the config.

    Args:
        model: of `components.models.build`.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        phase: of `phases`.
        steps: batches of an epoch.
    """
    transfer.set_phase(model, models.spec(config.model), phase.name)
    model.compile(
        build_optimizer(config.optimizer, phase.learning_rate, phase.end - phase.begin, steps),
        loss=losses.build_loss(config.loss, problem),
        metrics=losses.build_metrics(problem),
    )


def fit(
    model: keras.Model,
    train: Pictures,
    evaluation: Pictures,
    *,
    problem: str,
    config: TrainerConfig,
    progress: TrainingState,
) -> list[history.EpochRecord]:
    """Trains a model to the configured epoch, from where `progress` has it.

    Args:
        model: ends with the weights of the last epoch.
        train: what it learns from.
        evaluation: what tells the best epoch.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        progress: the state to go on from and to keep; holds the best checkpoint afterwards.

    Returns:
        Records of all epochs, those before an interruption included.

    Raises:
        InputError: class weights that do not fit the classes.
        callbacks.NonFiniteLossError: the loss became NaN or infinite.
    """
    epochs = progress.epochs()
    plan = phases(config)
    if epochs:
        print(f"training goes on after epoch {len(epochs)} of {plan[-1].end}", flush=True)
    restored = len(epochs)
    for phase in plan:
        if phase.end < restored or _stopped(config, phase, plan, epochs):
            continue
        compile_model(model, problem, config, phase, steps_per_epoch(train, config.batch_size))
        if phase.begin < restored:
            progress.restore(model)
        if len(epochs) < phase.end:
            _fit_phase(
                model,
                train,
                evaluation,
                problem=problem,
                config=config,
                phase=phase,
                stop_early=bool(config.patience) and phase is plan[-1],
                resumed=phase.begin < restored,
                progress=progress,
                epochs=epochs,
            )
    return epochs


def _stopped(
    config: TrainerConfig, phase: Phase, plan: list[Phase], epochs: list[history.EpochRecord]
) -> bool:
    """Whether a training that was interrupted afterwards had already stopped early."""
    return (
        bool(config.patience)
        and phase is plan[-1]
        and len(epochs) > phase.begin
        and history.epochs_since_best(epochs, config.monitor) >= config.patience
    )


def _fit_phase(
    model: keras.Model,
    train: Pictures,
    evaluation: Pictures,
    *,
    problem: str,
    config: TrainerConfig,
    phase: Phase,
    stop_early: bool,
    resumed: bool,
    progress: TrainingState,
    epochs: list[history.EpochRecord],
) -> None:
    weights = losses.resolve_class_weights(config.loss, train.targets, problem)
    # A bar that redraws itself is for people; a log gets one line an epoch.
    on_terminal = sys.stdout.isatty()
    # The order matters: nothing is kept of a broken epoch, and the backup names the best one.
    watchers = [
        callbacks.NonFiniteLossGuard(progress, epochs),
        *([callbacks.EmaWeights(averaged=resumed)] if config.optimizer.ema else []),
        keras.callbacks.ModelCheckpoint(
            progress.best_pattern,
            monitor=config.monitor,
            mode=history.mode(config.monitor),
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=(
                history.best_epoch(epochs, config.monitor)[config.monitor] if epochs else None
            ),
        ),
        callbacks.EpochRecorder(epochs, len(train), None if on_terminal else _write_line),
        callbacks.Backup(progress, epochs),
        *([callbacks.StopEarly(epochs, config.monitor, config.patience)] if stop_early else []),
        *_tensorboard(config, problem, evaluation, progress.tensorboard, phase),
    ]
    model.fit(
        training_batches(
            train,
            config.batch_size,
            config.seed,
            len(epochs),
            phase.end,
            augment=make_augment(config.augmentation, problem, config.seed),
            weigh=(
                (lambda targets: losses.sample_weights(weights, targets, problem))
                if weights
                else None
            ),
        ),
        validation_data=evaluation_batches(evaluation, config.batch_size),
        initial_epoch=len(epochs),
        epochs=phase.end,
        steps_per_epoch=steps_per_epoch(train, config.batch_size),
        shuffle=False,  # the dataset does it
        verbose=1 if on_terminal else 0,
        callbacks=watchers,
    )


def _tensorboard(
    config: TrainerConfig, problem: str, evaluation: Pictures, folder: Path, phase: Phase
) -> list[keras.callbacks.Callback]:
    watchers: list[keras.callbacks.Callback] = [
        keras.callbacks.TensorBoard(str(folder), write_graph=phase.begin == 0)
    ]
    if config.sample_epochs:
        watchers.append(
            SamplePictures(evaluation, problem, folder / "samples", every=config.sample_epochs)
        )
    return watchers


def _write_line(line: str) -> None:
    print(line, flush=True)
