"""The course of a training, whatever feeds it: phases, resume, what watches. `keras` only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from components import models
from components.models import transfer
from components.trainer.fit import callbacks, losses
from components.trainer.fit.optimizer import build_optimizer
from components.trainer.records import history
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig


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


# (phase, epochs done so far, callbacks): calls the compiled model's `fit` to the end of the phase.
FitPhase = Callable[[Phase, int, list[keras.callbacks.Callback]], None]


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


class Devices:
    """What is trained on: here one device; `devices.distribution` has the others."""

    @property
    def jit_compile(self) -> bool | str:
        """Whether to compile with XLA, as in Keras."""
        return "auto"

    @property
    def is_chief(self) -> bool:
        """Whether this node writes."""
        return True

    def from_chief(self, value: Any) -> Any:
        """What the node that writes holds, on every node."""
        return value

    def prepare(self, model: keras.Model) -> None:
        """Readies a compiled model whose weights are in place."""

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What comes before all other callbacks."""
        return []


def compile_model(
    model: keras.Model,
    problem: str,
    config: TrainerConfig,
    phase: Phase,
    steps: int,
    *,
    jit_compile: bool | str = "auto",
) -> None:
    """Sets what learns in a phase, and compiles with optimizer, loss and metrics of the config.

    Args:
        model: of `components.models.build`.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        phase: of `phases`.
        steps: batches of an epoch.
        jit_compile: as in Keras.
    """
    transfer.set_phase(model, models.spec(config.model), phase.name)
    model.compile(
        build_optimizer(config.optimizer, phase.learning_rate, phase.end - phase.begin, steps),
        loss=losses.build_loss(config.loss, problem),
        metrics=losses.build_metrics(problem),
        jit_compile=jit_compile,
    )
    # If the first step made these variables, TensorFlow would trace the step a second time.
    model.optimizer.build(model.trainable_variables)


def train_phases(
    model: keras.Model,
    fit_phase: FitPhase,
    *,
    problem: str,
    config: TrainerConfig,
    progress: TrainingState,
    pictures: int,
    write: Callable[[str], None] | None,
    devices: Devices | None = None,
) -> list[history.EpochRecord]:
    """Trains a model to the configured epoch, from where `progress` has it.

    Args:
        model: ends with the weights of the last epoch.
        fit_phase: trains the compiled model to the end of a phase.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        progress: the state to go on from and to keep, on the chief; holds the best checkpoint
            afterwards.
        pictures: of the training split.
        write: takes a line an epoch; None: none is written.
        devices: what is trained on, if not on one device.

    Returns:
        Records of all epochs, those before an interruption included.

    Raises:
        callbacks.NonFiniteLossError: the loss became NaN or infinite.
    """
    devices = devices or Devices()
    epochs = devices.from_chief(progress.epochs())
    plan = phases(config)
    if epochs:
        print(f"training goes on after epoch {len(epochs)} of {plan[-1].end}", flush=True)
    restored = len(epochs)
    steps = -(-pictures // config.batch_size)
    for phase in plan:
        last = phase is plan[-1]
        if phase.end < restored or (last and _stopped(config, phase, epochs)):
            continue
        compile_model(model, problem, config, phase, steps, jit_compile=devices.jit_compile)
        resumed = phase.begin < restored
        if resumed and devices.is_chief:
            progress.restore(model)
        if len(epochs) < phase.end:
            devices.prepare(model)
            recorder = callbacks.EpochRecorder(epochs, pictures, write)
            watchers = [
                *devices.callbacks(),
                *_watchers(
                    config, progress, epochs, recorder, resumed=resumed, keeps=devices.is_chief
                ),
            ]
            if config.patience and last:
                watchers.append(
                    callbacks.StopEarly(epochs, config.monitor, config.patience, phase.begin)
                )
            fit_phase(phase, len(epochs), watchers)
    return epochs


def is_finished(config: TrainerConfig, epochs: list[history.EpochRecord]) -> bool:
    """Whether a training with those records has come to its end.

    Args:
        config: of the training.
        epochs: records of the epochs done.
    """
    last = phases(config)[-1]
    return len(epochs) >= last.end or _stopped(config, last, epochs)


def _stopped(config: TrainerConfig, phase: Phase, epochs: list[history.EpochRecord]) -> bool:
    """Whether a training that was interrupted afterwards had already stopped early."""
    return (
        bool(config.patience)
        and len(epochs) > phase.begin
        and callbacks.patience_is_over(epochs, config.monitor, config.patience, phase.begin)
    )


def _watchers(
    config: TrainerConfig,
    progress: TrainingState,
    epochs: list[history.EpochRecord],
    recorder: callbacks.EpochRecorder,
    *,
    resumed: bool,
    keeps: bool,
) -> list[keras.callbacks.Callback]:
    checkpoint = keras.callbacks.ModelCheckpoint(
        progress.best_pattern,
        monitor=config.monitor,
        mode=history.mode(config.monitor),
        save_best_only=True,
        save_weights_only=True,
        initial_value_threshold=(
            history.best_epoch(epochs, config.monitor)[config.monitor] if epochs else None
        ),
    )
    # The order matters: nothing is kept of a broken epoch, and the backup names the best one.
    return [
        callbacks.NonFiniteLossGuard(progress, epochs),
        *([callbacks.EmaWeights(averaged=resumed)] if config.optimizer.ema else []),
        *([checkpoint] if keeps else []),
        recorder,
        *([callbacks.Backup(progress, epochs)] if keeps else []),
    ]
