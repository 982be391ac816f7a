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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BATCH = 8
SECONDS = 240  # that a run may take on a busy machine
ENDLESS = 10_000  # steps of a training that waits to be killed

# Weights after a few steps, two summation orders apart; measured differences are below 1e-6.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


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
    x = keras.layers.BatchNormalization(momentum=0.5, name="first")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def dense() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(5, activation="relu", kernel_regularizer="l2")(
        keras.layers.Flatten()(inputs)
    )
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", dtype="float32")(x))


def with_dropout() -> Any:
    import keras

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dropout(0.5, seed=7)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


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

    def unequal_scale() -> tuple[np.ndarray, ...]:
        pictures, targets, weights = drawn(BATCH)
        pictures[1::2] *= 300.0  # only the odd rows' gradients overflow float16, once scaled
        return pictures, targets, weights

    masks = np.random.default_rng(3).integers(0, 3, (21, 8, 8)).astype(np.uint8)
    return {
        # The last batch has 5 rows.
        "normalised": Scenario(normalised, sgd(), drawn(21)),
        # The last batch has one row: fewer than there are replicas.
        "one_row_left": Scenario(normalised, sgd(), drawn(17)),
        "clipped": Scenario(
            dense,
            sgd(global_clipnorm=0.05, use_ema=True, ema_momentum=0.9, weight_decay=0.01),
            drawn(21),
        ),
        "rmsprop": Scenario(dense, lambda: keras.optimizers.RMSprop(0.01), drawn(21)),
        "segmenter": Scenario(segmenter, sgd(), (drawn(21)[0], masks)),
        "mini_xception": Scenario(
            mini_xception, sgd(learning_rate=0.01), drawn(21, 32, 50.0), epochs=1
        ),
        "apart": Scenario(first_normalised, sgd(), drawn(21), epochs=1, synchronise=False),
        "dropout": Scenario(with_dropout, sgd(), drawn(21)),
        "float16": Scenario(dense, sgd(learning_rate=0.01), drawn(21), policy="mixed_float16"),
        "overflow": Scenario(
            dense, sgd(learning_rate=0.01), unequal_scale(), policy="mixed_float16", epochs=1
        ),
        "endless": Scenario(dense, sgd(), drawn(21), epochs=ENDLESS),
    }


def train(distribution: Any, scenario: Scenario) -> dict[str, Any]:
    """Trains as the trainer does, and returns everything that is to be compared."""
    import keras
    import tensorflow as tf

    from components.trainer import distribution as module
    from components.trainer import failures

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
        distribution.prepare(model, synchronise_batch_norm=options["synchronise"])
        seeds = [v for v in model.variables if v.dtype == "uint32"]
        replicas = [local_values(v) for v in seeds]
        # Other pictures on the other node: what counts is what the chief finds.
        pictures = data[0] + np.float32(0.1 * cluster.worker)
        validation = distribution.evaluation_rows(BATCH, count).map(
            lambda row: (tf.gather(pictures, row), tf.gather(data[1], row))
        )
        rows = tf.data.Dataset.range(count).batch(BATCH)
        rows = rows.map(lambda row: module.part(row, cluster.worker, cluster.workers))
        batches = rows.map(lambda row: tuple(tf.gather(values, row) for values in data))
        logs = Logs()
        with failures.explained(BATCH, distribution.replicas, cluster.workers):
            model.fit(
                distribution.distribute(batches.repeat()),
                epochs=options["epochs"],
                steps_per_epoch=-(-count // BATCH),
                validation_data=distribution.distribute(validation),
                callbacks=[*distribution.callbacks(), logs],
                shuffle=False,
                verbose=0,
            )
    result = {f"weight {i}": value for i, value in enumerate(model.get_weights())}
    result |= {f"log {name}": np.float64(values) for name, values in logs.epochs.items()}
    scale = getattr(model.optimizer, "dynamic_scale", None)
    if scale is not None:
        result["scale"] = keras.ops.convert_to_numpy(scale)
    if replicas:
        result["seeds"] = np.array(replicas[0])
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
            [tf.config.LogicalDeviceConfiguration()] * 4,
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

SAME = ("normalised", "one_row_left", "clipped", "rmsprop", "segmenter", "mini_xception", "float16")
OWN = ("apart", "dropout", "overflow")


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


def start_nodes(folder: Path, *names: str) -> list[subprocess.Popen]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        start(
            folder,
            f"node{index}",
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}},
            "1",
            *names,
        )
        for index in range(2)
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
    """Results of 1, 2 and 4 devices."""
    folder = tmp_path_factory.mktemp("devices")
    finish(folder, [start(folder, "devices", None, "1,2,4", *SAME, *OWN)])
    return load(folder / "devices.npz")


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("nodes")
    finish(folder, start_nodes(folder, *SAME, *OWN))
    return [load(folder / f"node{index}.npz") for index in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4])
@pytest.mark.parametrize("name", SAME)
def test_devices_give_what_one_gives(
    one_process: dict[str, np.ndarray], name: str, devices: int
) -> None:
    check_same(of(one_process, f"{devices} {name}"), of(one_process, f"1 {name}"), name)


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
    close = {"rtol": 2e-2, "atol": 2e-3} if name == "float16" else CLOSE
    for key, value in expected.items():
        if name == "one_row_left" and key in ("log loss", "log mae"):
            continue  # the row that all replicas share counts once for each of them
        np.testing.assert_allclose(found[key], value, **close, err_msg=f"{name} {key}")


@pytest.fixture(params=["2 devices", "4 devices", "2 nodes"])
def replicas_of(
    request: pytest.FixtureRequest,
    one_process: dict[str, np.ndarray],
    two_nodes: list[dict[str, np.ndarray]],
) -> Iterator[Callable[[str], tuple[int, dict[str, np.ndarray]]]]:
    """replicas_of(scenario) gives the number of replicas and the (first node's) results."""
    count = int(request.param[0])
    nodes = request.param.endswith("nodes")

    def get(name: str) -> tuple[int, dict[str, np.ndarray]]:
        return count, of(two_nodes[0], f"1 {name}") if nodes else of(one_process, f"{count} {name}")

    yield get


@pytest.mark.slow
def test_moving_statistics_are_the_mean_of_all_replicas(replicas_of: Any) -> None:
    count, found = replicas_of("apart")
    pictures = np.random.default_rng(21).normal(size=(21, 8, 8, 3)).astype(np.float32)
    moving = np.zeros((count, 2, 3))
    moving[:, 1] = 1.0  # variances begin at one
    for batch in (pictures[:8], pictures[8:16], pictures[16:]):
        for replica in range(count):
            rows = batch[replica::count]
            new = [rows.mean((0, 1, 2)), rows.var((0, 1, 2))]
            moving[replica] = 0.5 * moving[replica] + 0.5 * np.array(new)
    mean, variance = moving.mean(0)
    np.testing.assert_allclose(found["weight 2"], mean, atol=1e-6)
    np.testing.assert_allclose(found["weight 3"], variance, atol=1e-6)


@pytest.mark.slow
def test_an_overflow_on_one_replica_skips_the_step_on_all(
    one_process: dict[str, np.ndarray], replicas_of: Any
) -> None:
    _, found = replicas_of("overflow")
    assert found["scale"] == 2.0**14  # halved once
    for key, value in of(one_process, "1 overflow").items():
        if key.startswith("weight"):
            np.testing.assert_array_equal(found[key], value, err_msg=key)


@pytest.mark.slow
def test_every_replica_draws_its_own_random_numbers(
    one_process: dict[str, np.ndarray], two_nodes: list[dict[str, np.ndarray]]
) -> None:
    for devices in (1, 2, 4):
        seeds = one_process[f"{devices} dropout seeds"]
        assert seeds.tolist() == [[7 + replica, 0] for replica in range(devices)]
    for index, node in enumerate(two_nodes):
        assert node["1 dropout seeds"].tolist() == [[7 + index, 0]]


@pytest.mark.slow
def test_every_node_hears_the_chief(two_nodes: list[dict[str, np.ndarray]]) -> None:
    assert [int(node["1 dropout chief"]) for node in two_nodes] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_killed_node_ends_the_others(tmp_path: Path, victim: int) -> None:
    processes = start_nodes(tmp_path, "endless")
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
