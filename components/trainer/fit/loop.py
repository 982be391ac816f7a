"""One training by Keras's `fit`: from where it was left to its end, on what devices."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import keras

from components import models
from components.models import transfer
from components.tasks.parts import Training
from components.trainer.devices import sharing
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import callbacks
from components.trainer.fit.failures import explained
from components.trainer.fit.optimizer import build_optimizer
from components.trainer.input.augmentation import make_augment
from components.trainer.input.batches import batches_of, steps_per_epoch, training_batches
from components.trainer.input.split import Split
from components.trainer.records import history
from components.trainer.records.state import TrainingState
from components.trainer.records.tensorboard import SampleImages
from components.trainer.settings import TrainerConfig
from serving.errors import InputError


def fit(
    model: keras.Model,
    train: Split,
    evaluation: Split,
    *,
    part: Training,
    config: TrainerConfig,
    progress: TrainingState,
    distribution: Distribution | None = None,
) -> list[history.EpochRecord]:
    """Trains a model to the configured epoch, from where `progress` has it.

    With zero epochs, measures it as it is: the values on the training split are then of the
    Examples as they are and of the whole model, without augmentation, class weights or dropout.

    Args:
        model: the task's trainee, built in the distribution's scope; ends with the weights of the
            last epoch.
        train: what it learns from.
        evaluation: what tells the best epoch.
        part: of the task.
        config: of the training, without stages.
        progress: the state to go on from and to keep, on the chief; holds the best checkpoint
            afterwards.
        distribution: the devices; None: all that TensorFlow finds here.

    Returns:
        Records of all epochs, those before an interruption included; of a model that is measured
        that of an epoch 0.

    Raises:
        InputError: class weights that do not fit the classes, a batch that the devices cannot
            share, or weights to measure that give no finite loss.
        FailedError: out of memory, or another node is gone.
        callbacks.NonFiniteLossError: the loss became NaN or infinite.
    """
    devices = distribution or Distribution()
    if not config.epochs:
        return _measure(
            model,
            {"": train, "val_": evaluation},
            part=part,
            config=config,
            progress=progress,
            devices=devices,
        )
    cluster = devices.cluster
    devices.check_batches(config.batch_size, len(train))
    steps = steps_per_epoch(train, config.batch_size)
    rows = sharing.evaluation_rows(len(evaluation), config.batch_size, devices.local_replicas)
    epochs = devices.from_chief(progress.epochs())
    done = len(epochs)
    if done:
        print(f"training goes on after epoch {done} of {config.epochs}", flush=True)
    batches = training_batches(
        train,
        config.batch_size,
        config.seed,
        done,
        config.epochs,
        augment=make_augment(config.augmentation, part.moves, config.seed),
        weigh=_weigh(config, train, part),
        share=(cluster.worker, cluster.workers),
    )
    # A bar that redraws itself is for people; a log gets one line an epoch.
    on_terminal = sys.stdout.isatty()
    write = _write_line if devices.is_chief and not on_terminal else None
    recorder = callbacks.EpochRecorder(epochs, len(train), write)
    watchers = [
        *devices.callbacks(),
        *_watchers(config, progress, epochs, recorder, keeps=devices.is_chief),
        *(_tensorboard(config, part, evaluation, progress) if devices.is_chief else []),
    ]
    with devices.scope(), explained(config.batch_size, devices.replicas, cluster.workers):
        compile_model(model, part, config, steps, jit_compile=devices.jit_compile)
        if done and devices.is_chief:
            progress.restore(model)
        devices.prepare(model)
        model.fit(
            devices.distribute(batches),
            validation_data=devices.distribute(batches_of(evaluation, rows)),
            validation_steps=int(rows.cardinality()),
            initial_epoch=done,
            epochs=config.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the dataset does it
            verbose=1 if on_terminal and devices.is_chief else 0,
            callbacks=watchers,
        )
    return epochs


def is_finished(config: TrainerConfig, epochs: list[history.EpochRecord]) -> bool:
    """Whether a training, without stages, has come to its end with those records."""
    stopped = config.patience and callbacks.patience_is_over(
        epochs, config.monitor, config.patience
    )
    return bool(stopped) or len(epochs) >= config.epochs


def compile_model(
    model: keras.Model,
    part: Training,
    config: TrainerConfig,
    steps: int,
    *,
    jit_compile: bool | str = "auto",
) -> None:
    """Sets what of the task's trainee learns, and compiles it for epochs of so many steps."""
    transfer.set_phase(model, models.spec(config.model), config.learn)
    model.compile(
        build_optimizer(config.optimizer, config.learning_rate, config.epochs, steps),
        loss=part.loss(config.loss),
        metrics=part.metrics(),
        jit_compile=jit_compile,
    )
    # If the first step made these variables, TensorFlow would trace the step a second time.
    model.optimizer.build(model.trainable_variables)


def _measure(
    model: keras.Model,
    splits: dict[str, Split],
    *,
    part: Training,
    config: TrainerConfig,
    progress: TrainingState,
    devices: Distribution,
) -> list[history.EpochRecord]:
    begin = time.perf_counter()
    values: dict[str, float] = {}
    with devices.scope(), explained(config.batch_size, devices.replicas, devices.cluster.workers):
        model.compile(
            loss=part.loss(config.loss), metrics=part.metrics(), jit_compile=devices.jit_compile
        )
        for prefix, split in splits.items():
            rows = sharing.evaluation_rows(len(split), config.batch_size, devices.local_replicas)
            found = model.evaluate(
                devices.distribute(batches_of(split, rows)),
                steps=int(rows.cardinality()),
                verbose=0,
                return_dict=True,
            )
            values |= {f"{prefix}{name}": value for name, value in found.items()}
    record = history.epoch_record(0, time.perf_counter() - begin, values)
    for name in ("loss", "val_loss"):
        if not math.isfinite(record[name]):
            raise InputError(
                "trainer.weights",
                expected="weights with a finite loss",
                found=f"the {name} {record[name]} with those of '{config.weights}'",
            )
    if devices.is_chief:
        model.save_weights(progress.best_checkpoint([record]), overwrite=True)
        took = f"{record['seconds']:.1f} s"
        _write_line(f"nothing to train, the weights as they are: {took}, {history.told(record)}")
    return [record]


def _weigh(config: TrainerConfig, train: Split, part: Training) -> Callable[[Any], Any] | None:
    """The weights of a batch's targets in the loss; None: all the same."""
    weights = part.class_weights(config.loss, train.targets)
    return (lambda targets: part.sample_weights(weights, targets)) if weights else None


def _watchers(
    config: TrainerConfig,
    progress: TrainingState,
    epochs: list[history.EpochRecord],
    recorder: callbacks.EpochRecorder,
    *,
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
    watchers = [
        callbacks.NonFiniteLossGuard(progress, epochs),
        *([callbacks.EmaWeights(averaged=bool(epochs))] if config.optimizer.ema else []),
        *([checkpoint] if keeps else []),
        recorder,
        *([callbacks.Backup(progress, epochs)] if keeps else []),
    ]
    if config.patience:
        watchers.append(callbacks.StopEarly(epochs, config.monitor, config.patience))
    return watchers


def _tensorboard(
    config: TrainerConfig, part: Training, evaluation: Split, progress: TrainingState
) -> list[keras.callbacks.Callback]:
    folder = progress.tensorboard
    watchers: list[keras.callbacks.Callback] = [keras.callbacks.TensorBoard(str(folder))]
    if config.sample_epochs and config.image_size:
        samples = folder / "samples"
        watchers.append(SampleImages(evaluation, part.draw_samples, samples, config.sample_epochs))
    return watchers


def _write_line(line: str) -> None:
    print(line, flush=True)
