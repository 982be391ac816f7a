"""How much the server takes at a time, and for how long anybody waits."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest

from serving.server.admission import MAX_CONCURRENT_REQUESTS
from serving.server.servable import Servable


def test_tensors_that_stand_for_too_much(stub, predicting, refusal) -> None:
    request = predicting("pictures", "numbers", n=np.int64(1), x=np.ones((1, 2), np.float32))
    shape = request.inputs["x"].tensor_shape
    for size in (2**23 + 1, 2**40, 2**62):
        shape.dim[0].size = size
        code, details = refusal(stub.Predict, request)
        assert code == "RESOURCE_EXHAUSTED"
        assert f"take {size * 8 + 8} bytes" in details
    for size in (-1, -(2**62)):
        shape.dim[0].size = size
        code, details = refusal(stub.Predict, request)
        assert code == "INVALID_ARGUMENT"
        assert details.startswith("tensor parsing error: x: ")
    shape.unknown_rank = True
    assert refusal(stub.Predict, request)[0] == "INVALID_ARGUMENT"


def test_batches_that_are_too_large(stub, predicting, refusal, fill_examples) -> None:
    request = predicting("pictures", "partly", "count", image_bytes=[b""])
    request.inputs["image_bytes"].tensor_shape.dim[0].size = 1000
    assert stub.Predict(request, timeout=60).outputs["count"].float_val[0] == 1000
    request.inputs["image_bytes"].tensor_shape.dim[0].size = 1001
    expected = ("RESOURCE_EXHAUSTED", "a batch of 1001 strings, at most 1000 are taken")
    assert refusal(stub.Predict, request) == expected
    examples = ClassificationRequest(model_spec={"name": "examples"})
    fill_examples(examples.input, *[0.0] * 1001)
    assert refusal(stub.Classify, examples) == expected


def test_pictures_that_are_too_large_together(stub, predicting, refusal) -> None:
    """49 million pixels each, by their headers; the model only counts them."""
    claim = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (7000).to_bytes(4) * 2
    request = predicting("pictures", "partly", "count", image_bytes=[claim])
    size = request.inputs["image_bytes"].tensor_shape.dim[0]
    size.size = 2
    assert stub.Predict(request, timeout=60).outputs["count"].float_val[0] == 2
    size.size = 3
    told = "the pictures of the request have 147000000 pixels, at most 100000000 are taken"
    assert refusal(stub.Predict, request) == ("INVALID_ARGUMENT", told)


def test_one_large_batch_runs_at_a_time(saved_model, grays, runs) -> None:
    model = Servable(saved_model, 1)
    runs.begun.clear()

    def ask(rows: int) -> None:
        model.run({"image_bytes": grays(*[b""] * rows)}, {"partly": ["count"]})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, [100] * 4))
        assert max(runs.begun) == 0
        list(threads.map(ask, [2] * 4))
        assert max(runs.begun) > 0
    model.close()


def test_messages_that_are_too_large(start_here, bases, predicting, refusal) -> None:
    limits = "grpc.max_receive_message_length=3000,grpc.max_send_message_length=2000"
    server = start_here({"types": bases["types"]}, grpc_channel_arguments=limits)
    with server.stub() as stub:

        def sent(count: int) -> Any:
            return predicting("types", "uint8", x=np.zeros(count, "u1"))

        assert stub.Predict(sent(1900), timeout=60).outputs
        code, details = refusal(stub.Predict, sent(2000))
        assert code == "RESOURCE_EXHAUSTED"
        assert details.startswith("the answer takes 20")
        with pytest.raises(grpc.RpcError) as refused:
            stub.Predict(sent(2000), timeout=60)
        metadata = dict(refused.value.trailing_metadata())
        assert metadata["grpc-retry-pushback-ms"] == "-1"  # a client's retries end here
        assert metadata["x-request-id"]
        code, details = refusal(stub.Predict, sent(3000))
        assert code == "RESOURCE_EXHAUSTED"
        assert "larger than max" in details


def test_camera_pictures_are_not_too_large(stub, predicting) -> None:
    request = predicting("types", "string", x=[b"x" * 10**7])  # gRPC's own limit is 4 MiB
    assert stub.Predict(request, timeout=60).outputs


@pytest.fixture
def lonely(start_here, bases):
    """The stub of a server that answers one request at a time."""
    server = start_here({"pictures": bases["pictures"]}, grpc_max_threads=1)
    with server.stub() as stub:
        yield stub


def test_nothing_is_run_for_nobody(lonely, predicting, gate) -> None:
    """Of three requests one is running, one is past its deadline and one is cancelled."""
    first = lonely.Predict.future(predicting("pictures", "slow", steps=np.int32(1)), timeout=60)
    assert gate.reached()
    request = predicting("pictures", "numbers", x=np.ones((1, 2), "f4"), n=np.int64(1))
    late = lonely.Predict.future(request, timeout=0.3)
    cancelled = lonely.Predict.future(request, timeout=60)
    time.sleep(0.1)
    cancelled.cancel()
    assert late.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
    gate.open()
    assert first.result().outputs
    last = predicting("pictures", "partly", "count", image_bytes=[b"no picture"])
    assert lonely.Predict(last, timeout=60).outputs
    assert gate.seen == ["slow", "partly"]


def test_too_many_at_a_time(lonely, predicting, gate) -> None:
    request = predicting("pictures", "slow", steps=np.int32(1))
    many = range(MAX_CONCURRENT_REQUESTS + 20)
    calls = [lonely.Predict.future(request, timeout=60) for _ in many]
    end = time.monotonic() + 30
    while sum(call.done() for call in calls) < 20 and time.monotonic() < end:
        time.sleep(0.01)
    gate.open()
    codes = [call.code() for call in calls]  # waits
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 20
    assert codes.count(grpc.StatusCode.OK) == MAX_CONCURRENT_REQUESTS


def test_what_runs_on_a_replaced_version_finishes_there(
    start_here, saved_model, build_model, predicting, gate, *, tmp_path
) -> None:
    (tmp_path / "1").symlink_to(saved_model)
    server = start_here({"m": tmp_path})
    with server.stub() as stub:
        slow = stub.Predict.future(predicting("m", "slow", steps=np.int32(1)), timeout=60)
        assert gate.reached()
        build_model(tmp_path / "2", 0.5)
        server.core.refresh()
        request = predicting("m", "partly", "count", image_bytes=[b""])
        assert stub.Predict(request, timeout=60).outputs["count"].float_val[0] == 0.5
        assert not slow.done()
        gate.open()
        assert slow.result().outputs["gain"].float_val[0] == 1.0
