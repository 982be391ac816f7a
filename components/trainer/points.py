"""Trains a model of points: one step on the whole training split an epoch, squared loss, SGD.

The step is the book's own ("Deep Learning with Python", 2nd edition, 3.5.5) or that of Keras's
`fit`; both do the same arithmetic. It takes a second, so nothing is kept to go on from.
"""

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tfx.utils import io_utils

from components import features, models
from components.export.point_endpoints import export_point_model
from components.trainer.fit.callbacks import NonFiniteLossError
from components.trainer.records import history
from components.trainer.records.model_run import write_keys, write_records
from components.trainer.settings import TrainerConfig
from serving import names
from serving.errors import InputError

_PRINTED_EVERY = 10  # epochs


@dataclass(frozen=True)
class Points:
    """A split in memory.

    Attributes:
        values: float32 [n, 2]: x and y.
        targets: float32 [n, 1] of 0 and 1.
        keys: split keys, one a point.
    """

    values: np.ndarray
    targets: np.ndarray
    keys: list[str]


def train(fn_args: Any, config: TrainerConfig) -> None:
    """Trains, and exports the epoch with the smallest validation loss.

    Args:
        fn_args: TFX's FnArgs, of which `train_files`, `eval_files`, `model_run_dir` (gets the
            ModelRun files of `components.artifacts`) and `serving_model_dir` (gets the
            SavedModel) are used.
        config: model, epochs, learning rate, training step and seed.

    Raises:
        InputError: an empty split, one class only, or a model that does not fit.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    training = read_split(fn_args.train_files, features.SPLITS[0])
    evaluation = read_split(fn_args.eval_files, features.SPLITS[1])
    keras.utils.set_random_seed(config.seed)
    model = models.build(config.model, config.image_size, **config.model_args)
    epochs = fit(model, training, evaluation, config)
    # Made beside and copied over: the destinations may be in an object store.
    with tempfile.TemporaryDirectory() as scratch:
        run, saved = Path(scratch, "run"), Path(scratch, "model")
        run.mkdir()
        write_records(run, config, model, epochs, training.keys)
        export_point_model(model, saved)
        write_keys(saved / names.ASSETS_EXTRA / names.TRAINING_KEYS_FILE, training.keys)
        io_utils.copy_dir(str(run), fn_args.model_run_dir)
        io_utils.copy_dir(str(saved), fn_args.serving_model_dir)


def read_split(patterns: list[str], split: str) -> Points:
    """Reads a split, in the order of its keys: training depends on the data alone.

    Args:
        patterns: file patterns of gzipped TFRecords of Examples.
        split: the split's name, for messages.

    Raises:
        InputError: the split is empty, or holds one class only where it is to train on.
    """
    files = sorted({path for pattern in patterns for path in tf.io.gfile.glob(pattern)})
    rows = [_row(record) for record in _records(files)]
    if not rows:
        raise InputError(f"the {split} split", expected="at least one point", found="none")
    rows.sort()
    keys, labels, x, y = zip(*rows, strict=True)
    if split == features.SPLITS[0] and len(set(labels)) < len(features.POINT_CLASS_NAMES):
        raise InputError(
            f"the {split} split",
            expected=f"points of {' and '.join(features.POINT_CLASS_NAMES)}",
            found=f"only {features.POINT_CLASS_NAMES[labels[0]]}",
            todo="add points of the other class",
        )
    return Points(
        values=np.stack([x, y], axis=1).astype(np.float32),
        targets=np.asarray(labels, np.float32)[:, np.newaxis],
        keys=list(keys),
    )


def fit(
    model: keras.Model, training: Points, evaluation: Points, config: TrainerConfig
) -> list[history.EpochRecord]:
    """Trains a model, which ends with the weights of its best epoch.

    Args:
        model: float32 [batch, 2] -> float32 [batch, 1].
        training: what it learns from, all of it in every step.
        evaluation: what tells the best epoch.
        config: epochs, learning rate and training step.

    Returns:
        A record an epoch. `loss` and `accuracy` are those before the epoch's step, as it computes
        them; `val_loss` and `val_accuracy` those after it.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite.
    """
    recorder = _Recorder(model, config.epochs)
    run = {"gradient_tape": _run_gradient_tape, "fit": _run_fit}[config.training_step]
    run(model, training, evaluation, config, recorder)
    recorder.restore_best()
    return recorder.epochs


def training_step(
    model: keras.Model, points: tf.Tensor, targets: tf.Tensor, learning_rate: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """One step of gradient descent on a batch.

    Args:
        model: float32 [batch, 2] -> float32 [batch, 1].
        points: float32 [batch, 2].
        targets: float32 [batch, 1] of 0 and 1.
        learning_rate: how far to go against the gradient.

    Returns:
        Loss and scores (float32 [batch, 1]) before the step.
    """
    with tf.GradientTape() as tape:
        scores = model(points, training=True)
        loss = squared_loss(targets, scores)
    weights = model.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(learning_rate * gradient)
    return loss, scores


def squared_loss(targets: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Mean over the batch of the squared differences."""
    return tf.reduce_mean(tf.square(targets - scores))


def _run_gradient_tape(
    model: keras.Model,
    training: Points,
    evaluation: Points,
    config: TrainerConfig,
    recorder: "_Recorder",
) -> None:
    for epoch in range(config.epochs):
        loss, scores = training_step(model, training.values, training.targets, config.learning_rate)
        val_scores = model(evaluation.values, training=False)
        logs = {
            "loss": loss,
            "accuracy": _accuracy(training.targets, scores),
            "val_loss": squared_loss(evaluation.targets, val_scores),
            "val_accuracy": _accuracy(evaluation.targets, val_scores),
        }
        recorder.on_epoch_end(epoch, logs)


def _run_fit(
    model: keras.Model,
    training: Points,
    evaluation: Points,
    config: TrainerConfig,
    recorder: "_Recorder",
) -> None:
    model.compile(
        keras.optimizers.SGD(config.learning_rate),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=features.SCORE_THRESHOLD)],
    )
    model.fit(
        training.values,
        training.targets,
        batch_size=len(training.values),
        epochs=config.epochs,
        validation_data=(evaluation.values, evaluation.targets),
        validation_batch_size=len(evaluation.values),
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=recorder.on_epoch_end)],
    )


def _accuracy(targets: np.ndarray, scores: tf.Tensor) -> float:
    return float(np.mean((scores.numpy() > features.SCORE_THRESHOLD) == targets))


class _Recorder:
    """Keeps a record an epoch and the best weights, prints a line now and then, guards the loss.

    Args:
        model: which is trained.
        total: epochs to come.
    """

    def __init__(self, model: keras.Model, total: int):
        self.epochs: list[history.EpochRecord] = []
        self._model = model
        self._total = total
        self._best = model.get_weights()
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Takes what is known at the end of epoch `epoch`, counted from 0."""
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        values = {name: float(logs[name]) for name in names}
        for name in ("loss", "val_loss"):
            if not math.isfinite(values[name]):
                raise NonFiniteLossError(
                    f"{name} is {values[name]} at epoch {epoch + 1}: training stopped, nothing is "
                    "exported; lower trainer.learning_rate"
                )
        now = time.perf_counter()
        self.epochs.append({"epoch": epoch + 1, "seconds": round(now - self._begin, 3), **values})
        self._begin = now
        if history.best_epoch(self.epochs) is self.epochs[-1]:
            self._best = self._model.get_weights()
        if (epoch + 1) % _PRINTED_EVERY == 0 or epoch + 1 == self._total:
            told = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            print(f"epoch {epoch + 1}/{self._total}: {told}", flush=True)

    def restore_best(self) -> None:
        """Gives the model the weights of its best epoch."""
        self._model.set_weights(self._best)


def _records(files: list[str]) -> list[bytes]:
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return list(records.as_numpy_iterator()) if files else []


def _row(record: bytes) -> tuple[str, int, float, float]:
    feature = tf.train.Example.FromString(record).features.feature
    return (
        feature[features.POINT_KEY].bytes_list.value[0].decode(),
        feature[features.POINT_LABEL].int64_list.value[0],
        feature[features.POINT_X].float_list.value[0],
        feature[features.POINT_Y].float_list.value[0],
    )
