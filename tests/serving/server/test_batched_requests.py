"""Batching over real sockets: concurrent requests share a run, and each gets its own answer."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.server.batching_parameters import BatchingParameters

MODEL = "batched"
# Long enough for all requests of a test to come in, of a size that they fill.
PARAMETERS = BatchingParameters(max_batch_size=4, batch_timeout_micros=1_000_000)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that tells how many rows ran together."""
    import tensorflow as tf

    def rows(x):
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "negative")]):
            return {"double": 2.0 * x, "together": tf.fill(tf.shape(x), tf.shape(x)[0])}

    def total(x, scale):
        return {"total": scale * tf.reduce_sum(x)}

    column = tf.TensorSpec([None], tf.float32, name="x")
    number = tf.TensorSpec([], tf.float32, name="scale")
    module = tf.Module()
    signatures = {
        "serving_default": tf.function(rows, input_signature=[column]),
        "total": tf.function(total, input_signature=[column, number]),
    }
    folder = tmp_path_factory.mktemp("batched")
    tf.saved_model.save(module, str(folder / "1"), signatures=signatures)
    return folder


@pytest.fixture(scope="module")
def predict(base: Path, start_here: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Asks the server for `x`; the answers by output name, as lists."""
    with start_here({MODEL: base}, batching=PARAMETERS).stub() as stub:
        yield stub.Predict


@pytest.fixture(scope="module")
def ask(
    predict: Callable[..., Any], predicting: Callable[..., Any]
) -> Callable[..., dict[str, list]]:
    import tensorflow as tf

    def asked(*values: float) -> dict[str, list]:
        response = predict(predicting(MODEL, x=[float(value) for value in values]), timeout=60)
        return {name: tf.make_ndarray(found).tolist() for name, found in response.outputs.items()}

    return asked


def test_concurrent_requests_run_together(ask: Callable[..., dict[str, list]]) -> None:
    with ThreadPoolExecutor(3) as pool:
        one, two, three = pool.map(lambda values: ask(*values), [(1,), (2,), (3, 4)])
    assert one == {"double": [2.0], "together": [4]}
    assert two == {"double": [4.0], "together": [4]}
    assert three == {"double": [6.0, 8.0], "together": [4, 4]}


def test_one_bad_request_does_not_spoil_the_others(ask: Callable[..., dict[str, list]]) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, value) for value in (1, -1, 2, 3)]
        good = [one.result()["double"] for one in asked[:1] + asked[2:]]
        with pytest.raises(grpc.RpcError) as caught:
            asked[1].result()
    assert good == [[2.0], [4.0], [6.0]]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "negative" in caught.value.details()


def test_who_gave_up_takes_no_room(
    ask: Callable[..., dict[str, list]], predict: Callable[..., Any], predicting: Callable[..., Any]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(predict, predicting(MODEL, x=[9.0]), timeout=0.2)
        with pytest.raises(grpc.RpcError) as caught:
            late.result()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # Its place in the queue is still there, its row does not run.
        answer = ask(1, 2)
    assert answer == {"double": [2.0, 4.0], "together": [2, 2]}


def test_too_large_a_request_is_refused(
    predict: Callable[..., Any], predicting: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    assert refusal(predict, predicting(MODEL, x=[1.0] * 5)) == (
        "INVALID_ARGUMENT",
        "Task size 5 is larger than maximum input batch size 4",
    )


def test_what_cannot_be_batched_runs_at_once(
    predict: Callable[..., Any], predicting: Callable[..., Any]
) -> None:
    import numpy as np

    request = predicting(MODEL, "total", x=[1.0, 2.0], scale=np.float32(10))
    start = time.monotonic()
    assert predict(request, timeout=60).outputs["total"].float_val[:] == [30.0]
    assert time.monotonic() - start < PARAMETERS.batch_timeout_micros / 1e6
