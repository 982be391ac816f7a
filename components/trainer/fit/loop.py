"""One training by Keras's `fit`: what goes in, and on what devices."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from components.trainer.devices import sharing
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import losses
from components.trainer.fit.failures import explained
from components.trainer.fit.phases import Phase, train_phases
from components.trainer.input.batches import batches_of, steps_per_epoch, training_batches
from components.trainer.input.augmentation import make_augment
from components.trainer.input.split import Pictures
from components.trainer.records import history
from components.trainer.records.state import TrainingState
from components.trainer.records.tensorboard import SamplePictures
from components.trainer.settings import TrainerConfig
from serving.errors import InputError


def fit(
    model: keras.Model,
    train: Pictures,
    evaluation: Pictures,
    *,
    problem: str,
    config: TrainerConfig,
    progress: TrainingState,
    distribution: Distribution | None = None,
) -> list[history.EpochRecord]:
    """Trains a model to the configured epoch, from where `progress` has it.

    Args:
        model: built in the distribution's scope; ends with the weights of the last epoch.
        train: what it learns from.
        evaluation: what tells the best epoch.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        progress: the state to go on from and to keep, on the chief; holds the best checkpoint
            afterwards.
        distribution: the devices; None: all that TensorFlow finds here.

    Returns:
        Records of all epochs, those before an interruption included.

    Raises:
        InputError: class weights that do not fit the classes, or a batch that the devices cannot
            share.
        FailedError: out of memory, or another node is gone.
        callbacks.NonFiniteLossError: the loss became NaN or infinite.
    """
    devices = distribution or Distribution()
    cluster = devices.cluster
    devices.check_batches(config.batch_size, len(train))
    weigh = _weigh(config, train, problem)
    augment = make_augment(config.augmentation, problem, config.seed)
    rows = sharing.evaluation_rows(len(evaluation), config.batch_size, devices.local_replicas)
    # A bar that redraws itself is for people; a log gets one line an epoch.
    on_terminal = sys.stdout.isatty()

    def fit_phase(phase: Phase, done: int, watchers: list[keras.callbacks.Callback]) -> None:
        if devices.is_chief:
            watchers += _tensorboard(config, problem, evaluation, progress.tensorboard, phase)
        batches = training_batches(
            train,
            config.batch_size,
            config.seed,
            done,
            phase.end,
            augment=augment,
            weigh=weigh,
            share=(cluster.worker, cluster.workers),
        )
        model.fit(
            devices.distribute(batches),
            validation_data=devices.distribute(batches_of(evaluation, rows)),
            validation_steps=int(rows.cardinality()),
            initial_epoch=done,
            epochs=phase.end,
            steps_per_epoch=steps_per_epoch(train, config.batch_size),
            shuffle=False,  # the dataset does it
            verbose=1 if on_terminal and devices.is_chief else 0,
            callbacks=watchers,
        )

    with devices.scope(), explained(config.batch_size, devices.replicas, cluster.workers):
        return train_phases(
            model,
            fit_phase,
            problem=problem,
            config=config,
            progress=progress,
            pictures=len(train),
            write=_write_line if devices.is_chief and not on_terminal else None,
            devices=devices,
        )


def measure(
    model: keras.Model,
    train: Pictures,
    evaluation: Pictures,
    *,
    problem: str,
    config: TrainerConfig,
    progress: TrainingState,
    distribution: Distribution | None = None,
) -> list[history.EpochRecord]:
    """What a model is worth as it is, on both splits: the record of an epoch 0.

    Args:
        model, train, evaluation, problem, config, distribution: see `fit`.
        progress: holds the model's weights afterwards, on the chief, as the best checkpoint.

    Returns:
        One record. Unlike those of `fit`, its values on the training split are of the pictures
        as they are and of the whole model: no augmentation, class weights or dropout.

    Raises:
        InputError: the weights give no finite loss, or too few pictures for the devices.
        FailedError: out of memory, or another node is gone.
    """
    devices = distribution or Distribution()
    begin = time.perf_counter()
    values: dict[str, float] = {}
    with devices.scope(), explained(config.batch_size, devices.replicas, devices.cluster.workers):
        model.compile(
            loss=losses.build_loss(config.loss, problem),
            metrics=losses.build_metrics(problem),
            jit_compile=devices.jit_compile,
        )
        for prefix, pictures in (("", train), ("val_", evaluation)):
            rows = sharing.evaluation_rows(len(pictures), config.batch_size, devices.local_replicas)
            found = model.evaluate(
                devices.distribute(batches_of(pictures, rows)),
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


def _weigh(config: TrainerConfig, train: Pictures, problem: str) -> Callable[[Any], Any] | None:
    """The weights of a batch's targets in the loss; None: all the same."""
    weights = losses.resolve_class_weights(config.loss, train.targets, problem)
    if not weights:
        return None
    return lambda targets: losses.sample_weights(weights, targets, problem)


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
