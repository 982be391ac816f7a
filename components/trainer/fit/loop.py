"""One training by Keras's `fit`: from where it was left to its end, on what devices."""

import math
import sys
import time

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
    distribution: Distribution,
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
        distribution: the devices.

    Returns:
        Records of all epochs, those before an interruption included; of a model that is measured
        that of an epoch 0.

    Raises:
        InputError: class weights that do not fit the classes, or weights to measure that give no
            finite loss.
        FailedError: out of memory, or another node is gone.
        callbacks.NonFiniteLossError: the loss became NaN or infinite.
    """
    devices, cluster = distribution, distribution.cluster
    if not config.epochs:
        splits = {"": train, "val_": evaluation}
        return _measure(model, splits, part, config, progress=progress, devices=devices)
    steps = steps_per_epoch(train, config.batch_size)
    rows = sharing.evaluation_rows(len(evaluation), config.batch_size, devices.local_replicas)
    epochs = devices.from_chief(progress.epochs())
    done = len(epochs)
    if done:
        print(f"training goes on after epoch {done} of {config.epochs}", flush=True)
    weights = part.class_weights(config.loss, train.targets)
    batches = training_batches(
        train,
        config.batch_size,
        config.seed,
        done,
        config.epochs,
        augment=make_augment(config.augmentation, part.moves, config.seed),
        weigh=(lambda targets: part.sample_weights(weights, targets)) if weights else None,
        share=(cluster.worker, cluster.workers),
    )
    # A bar that redraws itself is for people; a log gets one line an epoch.
    on_terminal = sys.stdout.isatty()
    tells = cluster.is_chief and not on_terminal
    kept = progress if cluster.is_chief else None
    watchers = [  # in this order: nothing is kept of a broken epoch
        *devices.callbacks(),
        callbacks.NonFiniteLossGuard(progress, epochs),
        *([callbacks.EmaWeights(averaged=bool(epochs))] if config.optimizer.ema else []),
        callbacks.EpochKeeper(epochs, kept, config, len(train), tells),
        *(_tensorboard(config, part, evaluation, progress) if cluster.is_chief else []),
    ]
    with devices.scope(), explained(config.batch_size, devices.replicas, cluster.workers):
        compile_model(model, part, config, steps, jit_compile=devices.jit_compile)
        if done and cluster.is_chief:
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
            verbose=1 if on_terminal and cluster.is_chief else 0,
            callbacks=watchers,
        )
    return epochs


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
    part: Training,
    config: TrainerConfig,
    *,
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
    if devices.cluster.is_chief:
        model.save_weights(progress.best_checkpoint([record]), overwrite=True)
        took = f"{record['seconds']:.1f} s"
        values_told = history.told(record)
        print(f"nothing to train, the weights as they are: {took}, {values_told}", flush=True)
    return [record]


def _tensorboard(
    config: TrainerConfig, part: Training, evaluation: Split, progress: TrainingState
) -> list[keras.callbacks.Callback]:
    folder = progress.tensorboard
    watchers: list[keras.callbacks.Callback] = [keras.callbacks.TensorBoard(str(folder))]
    if config.sample_epochs and config.image_size:
        drawn = (part.draw_samples, folder / "samples", config.sample_epochs)
        watchers.append(callbacks.SampleImages(evaluation, *drawn))
    return watchers
