"""Small trainings on several devices or nodes: `scenarios.py OUTPUT DEVICES SCENARIO...`.

A test helper, run in processes of their own. DEVICES are numbers of devices to train on, one after
the other; TF_CONFIG names the nodes, if there are several. OUTPUT gets everything that is to be
compared, as arrays by name.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer.devices import replicas
from components.trainer.devices.distribution import Distribution, explained
from serving.errors import FailedError

BATCH = 6
ENDLESS = 10_000  # steps of a training that waits to be killed


class Scenario:
    """A small training; `data` are images, targets and weights of the loss."""

    def __init__(self, build, optimizer, data, **options):
        self.build = build
        self.optimizer = optimizer
        self.data = data
        self.options = {"epochs": 2, "policy": "float32"} | options


def normalised() -> Any:
    """Batch norm in a model in the model."""
    inputs = keras.Input((8, 8, 3))
    inner = [
        keras.layers.Conv2D(4, 3, use_bias=False),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
    ]
    x = keras.Sequential(inner)(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def dense(dropout: float = 0.0) -> Any:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=7)(x)
    x = keras.layers.Dense(5, activation="relu", kernel_regularizer="l2")(x)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x))


def segmenter() -> Any:
    inputs = keras.Input((8, 8, 3))
    scores = keras.layers.Conv2D(3, 3, padding="same", activation="softmax")(inputs)
    return keras.Model(inputs, scores)


def scenarios() -> dict[str, Scenario]:
    def drawn(count: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(count)
        images = rng.normal(size=(count, 8, 8, 3)).astype(np.float32)
        targets = rng.integers(0, 2, (count, 1)).astype(np.float32)
        return images, targets, rng.uniform(0.5, 2.0, (count, 1)).astype(np.float32)

    def sgd(**options: Any) -> Callable[[], Any]:
        return lambda: keras.optimizers.SGD(**{"learning_rate": 0.1, "momentum": 0.9} | options)

    def one_heavy() -> tuple[np.ndarray, ...]:
        images, targets, weights = drawn(2 * BATCH)
        weights[1] = 1e4  # in the first step, the gradients of its replica overflow float16
        return images, targets, weights

    masks = np.random.default_rng(3).integers(0, 3, (23, 8, 8)).astype(np.uint8)
    return {
        # The last batch has 5 rows.
        "normalised": Scenario(normalised, sgd(), drawn(23)),
        # The last batch has one row: fewer than there are replicas.
        "one_row_left": Scenario(normalised, sgd(), drawn(19)),
        "clipped": Scenario(
            dense,
            sgd(global_clipnorm=0.05, use_ema=True, ema_momentum=0.9, weight_decay=0.01),
            drawn(23),
        ),
        "segmenter": Scenario(
            segmenter, lambda: keras.optimizers.RMSprop(0.01), (drawn(23)[0], masks)
        ),
        "overflow": Scenario(
            dense, sgd(learning_rate=0.01), one_heavy(), policy="mixed_float16", epochs=1
        ),
        "apart": Scenario(lambda: dense(0.5), sgd(), drawn(23), epochs=1),
        "endless": Scenario(dense, sgd(), drawn(23), epochs=ENDLESS),
    }


def train(distribution: Distribution, scenario: Scenario) -> dict[str, Any]:
    """Trains as the trainer does, and returns everything that is to be compared."""
    cluster = distribution.cluster
    data, options = scenario.data, scenario.options
    count = len(data[0])
    keras.config.set_dtype_policy(options["policy"])
    # What differs between the nodes has to be overruled by the chief.
    keras.utils.set_random_seed(1 + cluster.worker)
    with distribution.scope():
        model = scenario.build()
        masks = data[1].ndim == 3
        model.compile(
            scenario.optimizer(),
            loss="sparse_categorical_crossentropy" if masks else "binary_crossentropy",
            metrics=[keras.metrics.MeanIoU(3, sparse_y_pred=False, name="iou")]
            if masks
            else ["mae"],
            jit_compile=distribution.jit_compile,
        )
        distribution.check_batches(BATCH, count)
        model.optimizer.build(model.trainable_variables)
        distribution.prepare(model)
        weights = {id(variable) for variable in model.weights}
        seeds = [local_values(v) for v in model.variables if id(v) not in weights]
        # Other images on the other node: what counts is what the chief finds.
        images = data[0] + np.float32(0.1 * cluster.worker)
        validation_rows = replicas.evaluation_rows(count, BATCH, distribution.local_replicas)
        validation = validation_rows.map(lambda r: (tf.gather(images, r), tf.gather(data[1], r)))
        rows = tf.data.Dataset.range(count).batch(BATCH)
        rows = rows.map(lambda row: replicas.part(row, cluster.worker, cluster.workers))
        batches = rows.map(lambda row: tuple(tf.gather(values, row) for values in data))
        logs = Logs()
        with explained(BATCH, distribution.replicas, cluster.workers):
            model.fit(
                distribution.distribute(batches.repeat(options["epochs"])),
                epochs=options["epochs"],
                steps_per_epoch=-(-count // BATCH),
                validation_data=distribution.distribute(validation),
                validation_steps=int(validation_rows.cardinality()),
                callbacks=[*distribution.callbacks(), logs],
                shuffle=False,
                verbose=0,
            )
    result = {f"weight {i}": value for i, value in enumerate(model.get_weights())}
    result |= {f"log {name}": np.float64(values) for name, values in logs.epochs.items()}
    scale = getattr(model.optimizer, "dynamic_scale", None)
    if scale is not None:
        result["scale"] = keras.ops.convert_to_numpy(scale)
    if seeds:
        result["seeds"] = np.array(seeds[0])
    result["chief"] = np.array(distribution.from_chief([cluster.worker, "x" * 5000])[0])
    return result


def local_values(variable: Any) -> list[Any]:
    values = getattr(variable.value, "values", [variable.value])
    return [value.numpy() for value in values]


class Logs(keras.callbacks.Callback):
    """Keeps what `fit` tells of each epoch, and says when it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: dict[str, list[float]] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            print("training", flush=True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, value in logs.items():
            self.epochs.setdefault(name, []).append(value)


def main(output: str, devices: str, *names: str) -> None:
    counts = [int(count) for count in devices.split(",")]
    if "TF_CONFIG" not in os.environ:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * max(counts),
        )
    results: dict[str, Any] = {}
    try:
        for count in counts:
            distribution = Distribution([f"CPU:{i}" for i in range(count)])
            for name in names:
                for key, value in train(distribution, scenarios()[name]).items():
                    results[f"{count} {name} {key}"] = value
    except FailedError as error:
        print(f"FailedError: {error}", flush=True)
        sys.exit(1)
    np.savez(output, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
