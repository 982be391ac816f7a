"""One training by Keras's `fit`: from where it was left to its end, on what devices."""

import math
import sys
import time
from typing import Any

import keras

from components import models
from components.models.pretrained import set_phase
from components.tasks.parts import Training
from components.trainer.devices import replicas
from components.trainer.devices.distribution import Distribution, explained
from components.trainer.fit import callbacks
from components.trainer.input.augmentation import make_augment
from components.trainer.input.batches import batches_of, steps_per_epoch, training_batches
from components.trainer.input.split import Split
from components.trainer.records import history
from components.trainer.records.state import TrainingState
from components.trainer.sections import OptimizerConfig
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
) -> None:
    """Trains a model to the configured epoch, from where `progress` has it.

    With zero epochs, measures it as it is: the values on the training split are then of the
    Examples as they are and of the whole model, without augmentation, class weights or dropout.

    Args:
        model: the task's trainee, built in the distribution's scope; ends with the weights of the
            last epoch.
        train, evaluation: what it learns from, and what tells the best epoch.
        part, config: of the task; of the training, without stages.
        progress: the state to go on from and to keep; holds the records of all epochs afterwards
            (of a model that is measured that of an epoch 0), and on the chief the best checkpoint.
        distribution: the devices.

    Raises:
        InputError: class weights that do not fit the classes, or weights to measure that give no
            finite loss.
        FailedError: out of memory, or another node is gone.
        callbacks.NonFiniteLossError: the loss became NaN or infinite.
    """
    devices, cluster = distribution, distribution.cluster
    if not config.epochs:
        splits = {"": train, "val_": evaluation}
        _measure(model, splits, part, config, progress=progress, devices=devices)
        return
    steps = steps_per_epoch(train, config.batch_size)
    rows = replicas.evaluation_rows(len(evaluation), config.batch_size, devices.local_replicas)
    done = len(progress.epochs)
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
    watchers = devices.callbacks()  # in this order
    if config.optimizer.ema:  # averaged weights are what is validated and kept
        averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        # They are in a restored model; Keras cannot be told.
        averages._ema_weights_in_model = bool(done)
        watchers.append(averages)
    watchers.append(callbacks.EpochKeeper(progress, config, len(train), cluster.is_chief))
    if cluster.is_chief:
        watchers += _tensorboard(config, part, evaluation, progress)
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
            # A bar that redraws itself is for people; a log gets one line an epoch.
            verbose=int(cluster.is_chief and sys.stdout.isatty()),
            callbacks=watchers,
        )


def compile_model(
    model: keras.Model,
    part: Training,
    config: TrainerConfig,
    steps: int,
    *,
    jit_compile: bool | str = "auto",
) -> None:
    """Sets what of the task's trainee learns, and compiles it for epochs of so many steps."""
    set_phase(model, models.spec(config.model), config.learn)
    model.compile(
        build_optimizer(config.optimizer, config.learning_rate, config.epochs, steps),
        loss=part.loss(config.loss),
        metrics=part.metrics(),
        jit_compile=jit_compile,
    )
    # They are restored and shared, and TensorFlow would trace a step that made them a second time.
    model.optimizer.build(model.trainable_variables)


def _measure(
    model: keras.Model,
    splits: dict[str, Split],
    part: Training,
    config: TrainerConfig,
    *,
    progress: TrainingState,
    devices: Distribution,
) -> None:
    begin = time.perf_counter()
    values: dict[str, float] = {}
    with devices.scope(), explained(config.batch_size, devices.replicas, devices.cluster.workers):
        model.compile(
            loss=part.loss(config.loss), metrics=part.metrics(), jit_compile=devices.jit_compile
        )
        for prefix, split in splits.items():
            rows = replicas.evaluation_rows(len(split), config.batch_size, devices.local_replicas)
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
    progress.epochs = [record]
    if devices.cluster.is_chief:
        model.save_weights(progress.best_checkpoint, overwrite=True)
        took = f"{record['seconds']:.1f} s"
        values_told = history.told(record)
        print(f"nothing to train, the weights as they are: {took}, {values_told}", flush=True)


def _tensorboard(
    config: TrainerConfig, part: Training, evaluation: Split, progress: TrainingState
) -> list[keras.callbacks.Callback]:
    folder = progress.tensorboard
    watchers: list[keras.callbacks.Callback] = [keras.callbacks.TensorBoard(str(folder))]
    if config.sample_epochs and config.image_size:
        drawn = (part.draw_samples, folder / "samples", config.sample_epochs)
        watchers.append(callbacks.SampleImages(evaluation, *drawn))
    return watchers


def build_optimizer(
    config: OptimizerConfig, learning_rate: float, epochs: float, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Builds a fresh optimizer for a training; see `build_schedule`."""
    rate = build_schedule(config, learning_rate, epochs, steps_per_epoch)
    kind, own = {
        "rmsprop": (keras.optimizers.RMSprop, {"momentum": config.momentum}),
        "sgd": (keras.optimizers.SGD, {"momentum": config.momentum}),
        "adam": (keras.optimizers.Adam, {}),
        # It insists on a number, and its own default is not "none".
        "adamw": (keras.optimizers.AdamW, {"weight_decay": config.weight_decay}),
    }[config.name]
    common: dict[str, Any] = {
        "learning_rate": rate,
        "weight_decay": config.weight_decay or None,
        "global_clipnorm": config.clip_norm or None,
        "use_ema": config.ema > 0.0,
        "ema_momentum": config.ema,
    }
    return kind(**common | own)


def build_schedule(
    config: OptimizerConfig, learning_rate: float, epochs: float, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate by step: linear warm-up from zero to the peak, then constant or a cosine.

    The cosine reaches zero with the last step (Loshchilov and Hutter, "SGDR", 2016, without
    restarts). A plain number, the peak `learning_rate`, if it never changes.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if config.schedule == "constant" and not warmup:
        return learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else learning_rate,
        decay_steps=max(1, round(epochs * steps_per_epoch) - warmup),
        alpha=1.0 if config.schedule == "constant" else 0.0,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
