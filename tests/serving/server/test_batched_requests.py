"""Batching over real sockets: concurrent requests share a run, and each gets its own answer."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tensorflow as tf

from serving.server.batch_scheduler import BatchingParameters

MODEL = "batched"
# Long enough for all requests of a test to come in, of a size that they fill.
PARAMETERS = BatchingParameters(max_batch_size=4, batch_timeout_micros=1_000_000)


@pytest.fixture(scope="module")
def batched(tmp_path_factory, start_here):
    """The stub of a server whose model tells how many rows ran together."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
    def rows(x):
        return {
            "double": 2.0 * tf.strings.to_number(x),
            "together": tf.fill(tf.shape(x), tf.shape(x)[0]),
        }

    folder = tmp_path_factory.mktemp("batched")
    tf.saved_model.save(tf.Module(), str(folder / "1"), signatures={"serving_default": rows})
    with start_here({MODEL: folder}, batching=PARAMETERS).stub() as stub:
        yield stub


@pytest.fixture
def ask(batched, answer_of):
    """The answers by output name, as lists."""

    def asked(*values: str) -> dict[str, list]:
        return {name: rows.tolist() for name, rows in answer_of(batched, MODEL, x=values).items()}

    return asked


def test_one_bad_request_does_not_spoil_the_others(ask) -> None:
    with ThreadPoolExecutor(3) as pool:
        one, bad, two = (pool.submit(ask, *values) for values in ("1", "2x", "3"))
        assert [good.result()["double"] for good in (one, two)] == [[2.0], [6.0]]
        with pytest.raises(grpc.RpcError) as caught:
            bad.result()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("input x, position 1: StringToNumberOp")


def test_who_gave_up_takes_no_room(ask, batched, predicting):
    with pytest.raises(grpc.RpcError) as caught:
        batched.Predict(predicting(MODEL, x=["9"]), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # Its place in the queue is still there, its row does not run.
    assert ask("1", "2") == {"double": [2.0, 4.0], "together": [2, 2]}
