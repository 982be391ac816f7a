import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.devices.distribution import Distribution, explained
from components.trainer.devices.nodes import Cluster, read_cluster
from components.trainer.devices.replicas import evaluation_rows, part
from serving.errors import FailedError, InputError

ADDRESSES = ["a:2222", "b:2222", "c:2222"]


def tf_config(cluster: Any, kind: Any = "worker", index: Any = 0) -> dict[str, str]:
    told = {"cluster": cluster, "task": {"type": kind, "index": index}}
    return {"TF_CONFIG": json.dumps(told | {"environment": "cloud"})}  # as TFJob adds it


def test_without_tf_config_there_is_one_node() -> None:
    for environment in ({}, {"TF_CONFIG": ""}, {"TF_CONFIG": " {} "}):
        assert read_cluster(environment) == Cluster(worker=0, workers=1)


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "worker"),
    [
        ({"worker": ADDRESSES}, "worker", 0, 0),
        ({"worker": ADDRESSES}, "worker", 2, 2),
        ({"chief": ADDRESSES[:1], "worker": ADDRESSES[1:]}, "chief", 0, 0),
        ({"chief": ADDRESSES[:1], "worker": ADDRESSES[1:]}, "worker", 0, 1),
        ({"worker": ADDRESSES[1:], "chief": ADDRESSES[:1]}, "worker", 1, 2),
    ],
)
def test_nodes_are_numbered_from_the_chief(cluster, kind, index, worker):
    found = read_cluster(tf_config(cluster, kind, index))
    assert (found.worker, found.workers, found.is_chief) == (worker, 3, worker == 0)


@pytest.mark.parametrize(
    "environment",
    [
        {"TF_CONFIG": "worker"},
        {"TF_CONFIG": "[]"},
        {"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'},
        tf_config([]),
        tf_config({"worker": ["a"]}),
        tf_config({"worker": [1]}),
        tf_config({"worker": ["a:1", "a:1"]}),
        tf_config({"worker": ["a:1"], "ps": ["b:1"]}),
        tf_config({"chief": ["a:1", "b:1"]}, "chief"),
        tf_config({"worker": ["a:1"]}, "evaluator"),
        tf_config({"worker": ["a:1"]}, index=1),
    ],
)
def test_a_wrong_tf_config_is_told_in_one_line(environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"^TF_CONFIG: expected a cluster of .*, found [^\n]*$"):
        read_cluster(environment)


@pytest.mark.parametrize(("rows", "count"), [(3, 1), (1, 2), (3, 4), (4, 4), (9, 4)])
def test_parts_of_a_batch(rows: int, count: int) -> None:
    batch = np.arange(rows * 2).reshape(rows, 2)
    parts = [part(tf.constant(batch), index, count).numpy() for index in range(count)]
    if rows < count:
        assert all(np.array_equal(one, batch) for one in parts)
        return
    np.testing.assert_array_equal(np.sort(np.concatenate(parts), axis=0), batch)
    sizes = [len(one) for one in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    return Distribution(["CPU:0"])


def test_one_device_is_plain_keras(alone: Any) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    alone.check_batches(7, 3)
    alone.prepare(model)
    batches = tf.data.Dataset.range(3).batch(2)
    with alone.scope():
        assert not tf.distribute.has_strategy()
    assert "train_step" not in vars(model)
    assert alone.distribute(batches) is batches
    assert alone.callbacks() == []
    assert alone.from_chief({"a": 1}) == {"a": 1}
    assert (alone.replicas, alone.cluster.is_chief) == (1, True)


def test_several_nodes_want_one_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": ADDRESSES})["TF_CONFIG"])
    with pytest.raises(InputError, match=r"TF_CONFIG: expected one GPU a node .* 2 on node 0"):
        Distribution(["CPU:0", "CPU:1"])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_batches_of_validation_can_be_shared(count: int) -> None:
    for batch_size in (count, 3 * count):
        for images in range(2 * count, 6 * count + 2):
            batches = evaluation_rows(images, batch_size, count)
            rows = list(batches.as_numpy_iterator())
            assert int(batches.cardinality()) == len(rows)
            assert np.concatenate(rows).tolist() == list(range(images))
            assert len(rows[0]) % count == 0
            assert min(map(len, rows)) >= count
            assert max(map(len, rows)) < batch_size + count


def test_what_devices_cannot_share_is_refused(alone: Any) -> None:
    alone.replicas = 4
    alone.check_batches(8, 8)
    with pytest.raises(InputError, match=r"trainer.batch_size: expected a multiple of the 4 dev"):
        alone.check_batches(10, 100)
    with pytest.raises(InputError, match=r"training split: expected at least one batch \(8\)"):
        alone.check_batches(8, 7)
    with pytest.raises(InputError, match=r"validation split: expected at least 8 examples"):
        evaluation_rows(5, 8, 4)
    assert len(list(evaluation_rows(4, 8, 4))) == 1


def test_a_model_with_its_own_training_step_is_refused(alone: Any) -> None:
    class Own(keras.Model):
        def train_step(self, data: Any) -> dict[str, Any]:
            return {}

    inputs = keras.Input((2,))
    model = Own(inputs, keras.layers.Dense(1)(inputs), name="own")
    model.compile("sgd", "mse")
    alone.replicas = 2
    with pytest.raises(InputError, match="model 'own': expected Keras's own training step on 2"):
        alone.prepare(model)


OOM = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
FULL = tf.errors.ResourceExhaustedError(None, None, "a.h5; No space left on device")
LOST = tf.errors.UnavailableError(None, None, "/job:worker/replica:0/task:1 is gone")
GONE = r"one of 3 nodes was lost .* names worker 1\)"
HALF = "^out of memory with trainer.batch_size 32; try trainer.batch_size 16$"


@pytest.mark.parametrize(
    ("error", "how", "raised", "told"),
    [
        (OOM, {"batch_size": 32, "replicas": 1}, FailedError, HALF),
        (OOM, {"batch_size": 1, "replicas": 1}, FailedError, "image_size"),
        (OOM, {"batch_size": 12, "replicas": 4}, FailedError, "batch_size 4"),
        (OOM, {"batch_size": 4, "replicas": 4}, FailedError, "image_size"),
        # A full disk is not out of memory, and only nodes can be lost.
        (FULL, {"batch_size": 32}, type(FULL), "No space left"),
        (LOST, {"batch_size": 32, "replicas": 3, "workers": 3}, FailedError, GONE),
        (LOST, {"batch_size": 32}, type(LOST), "is gone"),
    ],
)
def test_what_a_training_ends_with_is_explained(error, how, raised, told) -> None:
    with pytest.raises(raised, match=told), explained(**how):
        raise error
