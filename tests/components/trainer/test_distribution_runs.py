"""Whole trainings on several devices and nodes, in processes of their own.

This file is also the program that those processes run: `FILE OUTPUT DEVICES SCENARIO...`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BATCH = 6
DEVICES = 3
SECONDS = 400  # that a run may take on a busy machine
ENDLESS = 10_000  # steps of a training that waits to be killed

# Weights after a few steps, two summation orders apart; measured differences are below 1e-6.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
FLOAT16_CLOSE = {"rtol": 2e-3, "atol": 1e-4}


# The program ---------------------------------------------------------------------------------


class Scenario:
    """A small training; `data` are pictures, targets and weights of the loss."""

    def __init__(
        self,
        build: Callable[[], Any],
        optimizer: Callable[[], Any],
        data: tuple[np.ndarray, ...],
        **options: Any,
    ):
        self.build = build
        self.optimizer = optimizer
        self.data = data
        self.options = {"epochs": 2, "policy": "float32", "synchronise": True} | options


def normalised() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def first_normalised() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(momentum=0.5)(inputs)
    x = keras.layers.Dropout(0.5, seed=7)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def dense() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(5, activation="relu", kernel_regularizer="l2")(
        keras.layers.Flatten()(inputs)
    )
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x))


def segmenter() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    return keras.Model(
        inputs, keras.layers.Conv2D(3, 3, padding="same", activation="softmax")(inputs)
    )


def mini_xception() -> Any:
    import keras

    from components import models

    model = models.build("mini_xception", 32)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return model


def scenarios() -> dict[str, Scenario]:
    import keras

    def drawn(count: int, side: int = 8, scale: float = 1.0) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(count)
        pictures = (scale * rng.normal(size=(count, side, side, 3))).astype(np.float32)
        targets = rng.integers(0, 2, (count, 1)).astype(np.float32)
        return pictures, targets, rng.uniform(0.5, 2.0, (count, 1)).astype(np.float32)

    def sgd(**options: Any) -> Callable[[], Any]:
        return lambda: keras.optimizers.SGD(**{"learning_rate": 0.1, "momentum": 0.9} | options)

    def one_heavy() -> tuple[np.ndarray, ...]:
        pictures, targets, weights = drawn(2 * BATCH)
        weights[1] = 1e4  # in the first step, the gradients of its replica overflow float16
        return pictures, targets, weights

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
        # In float32, rounding alone makes this one differ by 1e-4 after three steps.
        "mini_xception": Scenario(
            mini_xception, sgd(learning_rate=0.01), drawn(23, 32, 50.0), epochs=1, policy="float64"
        ),
        "overflow": Scenario(
            dense, sgd(learning_rate=0.01), one_heavy(), policy="mixed_float16", epochs=1
        ),
        "apart": Scenario(first_normalised, sgd(), drawn(23), epochs=1, synchronise=False),
        "endless": Scenario(dense, sgd(), drawn(23), epochs=ENDLESS),
    }


def train(distribution: Any, scenario: Scenario) -> dict[str, Any]:
    """Trains as the trainer does, and returns everything that is to be compared."""
    import keras
    import tensorflow as tf

    from components.trainer import failures, sharing

    cluster = distribution.cluster
    data, options = scenario.data, scenario.options
    count = len(data[0])
    keras.config.set_floatx("float64" if options["policy"] == "float64" else "float32")
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
        distribution.prepare(model, synchronise_batch_norm=options["synchronise"])
        weights = {id(variable) for variable in model.weights}
        seeds = [local_values(v) for v in model.variables if id(v) not in weights]
        # Other pictures on the other node: what counts is what the chief finds.
        pictures = data[0] + np.float32(0.1 * cluster.worker)
        validation_rows = sharing.evaluation_rows(count, BATCH, distribution.local_replicas)
        validation = validation_rows.map(
            lambda row: (tf.gather(pictures, row), tf.gather(data[1], row))
        )
        rows = tf.data.Dataset.range(count).batch(BATCH)
        rows = rows.map(lambda row: sharing.part(row, cluster.worker, cluster.workers))
        batches = rows.map(lambda row: tuple(tf.gather(values, row) for values in data))
        logs = Logs()
        with failures.explained(BATCH, distribution.replicas, cluster.workers):
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


def Logs() -> Any:
    import keras

    class _Logs(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.epochs: dict[str, list[float]] = {}

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                print("training", flush=True)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            for name, value in logs.items():
                self.epochs.setdefault(name, []).append(value)

    return _Logs()


def main(output: str, devices: str, *names: str) -> None:
    import tensorflow as tf

    sys.path.insert(0, str(Path(__file__).parents[3]))
    from components.errors import FailedError
    from components.trainer.distribution import Distribution

    if "TF_CONFIG" not in os.environ:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * DEVICES,
        )
    results: dict[str, Any] = {}
    try:
        for count in map(int, devices.split(",")):
            distribution = Distribution([f"CPU:{i}" for i in range(count)])
            for name in names:
                for key, value in train(distribution, scenarios()[name]).items():
                    results[f"{count} {name} {key}"] = value
    except FailedError as error:
        print(f"FailedError: {error}", flush=True)
        sys.exit(1)
    np.savez(output, **results)


# The tests -----------------------------------------------------------------------------------

SAME = ("normalised", "one_row_left", "clipped", "segmenter", "overflow")
ON_DEVICES = (*SAME, "mini_xception")


def start(folder: Path, name: str, config: dict[str, Any] | None, *args: str) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    if config:
        environment["TF_CONFIG"] = json.dumps(config)
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, __file__, str(folder / f"{name}.npz"), *args],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def start_nodes(folder: Path, *names: str, chief: bool) -> list[subprocess.Popen]:
    """Starts two nodes, of which the first is a task of type `chief` or just the first worker."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    first, second = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    if chief:
        cluster = {"chief": [first], "worker": [second]}
        tasks = [("chief", 0), ("worker", 0)]
    else:
        cluster = {"worker": [first, second]}
        tasks = [("worker", 0), ("worker", 1)]
    return [
        start(
            folder,
            f"node{number}",
            {"cluster": cluster, "task": {"type": kind, "index": index}},
            "1",
            *names,
        )
        for number, (kind, index) in enumerate(tasks)
    ]


def finish(folder: Path, processes: list[subprocess.Popen], seconds: float = SECONDS) -> list[int]:
    end = time.monotonic() + seconds
    try:
        return [process.wait(max(0.1, end - time.monotonic())) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def load(path: Path) -> dict[str, np.ndarray]:
    assert path.exists(), path.with_suffix(".log").read_text()[-3000:]
    with np.load(path) as file:
        return dict(file)


def of(results: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(f"{prefix} "): value
        for key, value in results.items()
        if key.startswith(f"{prefix} ")
    }


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Results on one device, and on several."""
    folder = tmp_path_factory.mktemp("devices")
    finish(folder, [start(folder, "devices", None, f"1,{DEVICES}", *ON_DEVICES, "apart")])
    return load(folder / "devices.npz")


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("nodes")
    finish(folder, start_nodes(folder, *SAME, "apart", chief=False))
    return [load(folder / f"node{index}.npz") for index in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_DEVICES)
def test_devices_give_what_one_gives(one_process: dict[str, np.ndarray], name: str) -> None:
    check_same(of(one_process, f"{DEVICES} {name}"), of(one_process, f"1 {name}"), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_nodes_give_what_one_gives(
    one_process: dict[str, np.ndarray], two_nodes: list[dict[str, np.ndarray]], name: str
) -> None:
    chief, other = (of(node, f"1 {name}") for node in two_nodes)
    check_same(chief, of(one_process, f"1 {name}"), name)
    for key, value in chief.items():
        np.testing.assert_array_equal(other[key], value, err_msg=key)


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], name: str) -> None:
    assert found.keys() == expected.keys()
    assert any(key.startswith("log val_") for key in found)
    close = FLOAT16_CLOSE if name == "overflow" else CLOSE
    for key, value in expected.items():
        if key == "seeds" or (name == "one_row_left" and key in ("log loss", "log mae")):
            continue  # the row that all replicas share counts once for each of them
        np.testing.assert_allclose(found[key], value, **close, err_msg=f"{name} {key}")


@pytest.fixture(params=["devices", "nodes"])
def apart(
    request: pytest.FixtureRequest,
    one_process: dict[str, np.ndarray],
    two_nodes: list[dict[str, np.ndarray]],
) -> tuple[int, dict[str, np.ndarray]]:
    """The number of replicas, and the (first node's) results of the scenario `apart`."""
    if request.param == "nodes":
        return 2, of(two_nodes[0], "1 apart")
    return DEVICES, of(one_process, f"{DEVICES} apart")


@pytest.mark.slow
def test_moving_statistics_are_the_mean_of_all_replicas(
    apart: tuple[int, dict[str, np.ndarray]],
) -> None:
    count, found = apart
    pictures = np.random.default_rng(23).normal(size=(23, 8, 8, 3)).astype(np.float32)
    moving = np.zeros((count, 2, 3))
    moving[:, 1] = 1.0  # variances begin at one
    for start in range(0, 23, BATCH):
        for replica in range(count):
            rows = pictures[start : start + BATCH][replica::count]
            statistics = np.array([rows.mean((0, 1, 2)), rows.var((0, 1, 2))])
            moving[replica] = 0.5 * moving[replica] + 0.5 * statistics
    mean, variance = moving.mean(0)
    np.testing.assert_allclose(found["weight 2"], mean, atol=1e-6)
    np.testing.assert_allclose(found["weight 3"], variance, atol=1e-6)


@pytest.mark.slow
def test_an_overflow_on_one_replica_skips_the_step_on_all(
    one_process: dict[str, np.ndarray], two_nodes: list[dict[str, np.ndarray]]
) -> None:
    for results in (one_process, *two_nodes):
        scales = [value for key, value in results.items() if key.endswith("overflow scale")]
        assert scales and set(map(float, scales)) == {2.0**14}  # halved once, at the first step


@pytest.mark.slow
def test_every_replica_draws_its_own_random_numbers(
    one_process: dict[str, np.ndarray], two_nodes: list[dict[str, np.ndarray]]
) -> None:
    for devices in (1, DEVICES):
        seeds = one_process[f"{devices} apart seeds"]
        assert seeds.tolist() == [[7 + replica, 0] for replica in range(devices)]
    for index, node in enumerate(two_nodes):
        assert node["1 apart seeds"].tolist() == [[7 + index, 0]]


@pytest.mark.slow
def test_every_node_hears_the_chief(two_nodes: list[dict[str, np.ndarray]]) -> None:
    assert [int(node["1 apart chief"]) for node in two_nodes] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_killed_node_ends_the_others(tmp_path: Path, victim: int) -> None:
    processes = start_nodes(tmp_path, "endless", chief=True)
    try:
        deadline = time.monotonic() + SECONDS
        logs = [tmp_path / f"node{index}.log" for index in range(2)]
        while not all("training" in log.read_text() for log in logs):
            assert time.monotonic() < deadline, [log.read_text()[-2000:] for log in logs]
            assert all(process.poll() is None for process in processes), logs[0].read_text()[-2000:]
            time.sleep(0.2)
        processes[victim].send_signal(signal.SIGKILL)
        assert processes[1 - victim].wait(60) == 1
    finally:
        finish(tmp_path, processes, 1)
    last = logs[1 - victim].read_text().splitlines()[-1]
    assert last.startswith("FailedError: one of 2 nodes was lost during training")


if __name__ == "__main__":
    main(*sys.argv[1:])
