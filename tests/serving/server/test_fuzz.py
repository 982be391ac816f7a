"""Any bytes and any tensors: a proper status each time, and the server answers afterwards."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# What the server says of a request that is wrong; UNKNOWN and INTERNAL are none of them.
PROPER = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNIMPLEMENTED",
    "OUT_OF_RANGE",
}
# Types and numbers of dimensions of their inputs; 1 is float, 3 int32, 7 string, 9 int64.
SIGNATURES = {
    "serving_default": {"image_bytes": (7, 1)},
    "": {"image_bytes": (7, 1)},
    "partly": {"image_bytes": (7, 1)},
    "grad_cam": {"image_bytes": (7, 1), "class_index": (3, 1)},
    "numbers": {"x": (1, 2), "n": (9, 0)},
}
TYPES = [0, 1, 2, 3, 4, 7, 9, 14, 19, 20, 21, 101, 999]
METHODS = ["Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"]

sizes = st.one_of(
    st.integers(0, 4), st.sampled_from([-1, 2**20, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)])
)
fuzzing = settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


rarely = st.sampled_from([False] * 9 + [True])


@st.composite
def tensors(draw: Callable, dtype: int, rank: int) -> Any:
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    proto = TensorProto(dtype=draw(st.sampled_from(TYPES)) if draw(rarely) else dtype)
    proto.tensor_shape.unknown_rank = draw(rarely)
    length = draw(st.integers(0, 40)) if draw(rarely) else rank
    for axis in range(length):
        proto.tensor_shape.dim.add(size=2 if axis else draw(sizes))
    if draw(rarely):
        proto.tensor_content = draw(st.binary(max_size=64))
    proto.float_val.extend(draw(st.lists(st.floats(width=32), max_size=4)))
    proto.int_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4)))
    proto.int64_val.extend(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)))
    proto.half_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=2)))
    proto.string_val.extend(draw(st.lists(st.binary(max_size=20), max_size=4)))
    return proto


@st.composite
def requests(draw: Callable) -> Any:
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    request = PredictRequest()
    names = ["", "\0", "x" * 5000]
    request.model_spec.name = draw(st.sampled_from(names)) if draw(rarely) else "cats_vs_dogs"
    request.model_spec.signature_name = draw(st.sampled_from(list(SIGNATURES)))
    if draw(rarely):
        request.model_spec.version.value = draw(sizes)
    for name, (dtype, rank) in SIGNATURES[request.model_spec.signature_name].items():
        if not draw(rarely):
            request.inputs[name].CopyFrom(draw(tensors(dtype, rank)))
    if draw(rarely):
        request.inputs[draw(st.text(max_size=3))].CopyFrom(draw(tensors(1, 0)))
    if draw(rarely):
        outputs = st.sampled_from(["label", "count", "sum", "\ud7ff", "no"])
        request.output_filter.extend(draw(st.lists(outputs, max_size=2)))
    return request


@pytest.fixture(scope="module")
def ask(server: Any) -> Any:
    """The status of bytes sent to a method of the server, a process of its own."""
    with grpc.insecure_channel(server.target) as channel:

        def send(method: str, wire: bytes) -> str:
            path = f"/tensorflow.serving.PredictionService/{method}"
            try:
                channel.unary_unary(path)(wire, timeout=30)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        yield send
    assert server.process.poll() is None


@pytest.fixture(scope="module")
def good(predicting: Callable, gray_png: Callable) -> list[bytes]:
    picture = np.array([gray_png(9)], object)
    return [
        predicting("cats_vs_dogs", image_bytes=picture).SerializeToString(),
        predicting("cats_vs_dogs", "grad_cam", image_bytes=picture).SerializeToString(),
        predicting(
            "cats_vs_dogs", "numbers", x=np.ones((3, 2), np.float32), n=np.int64(2)
        ).SerializeToString(),
    ]


@fuzzing
@given(request=requests())
def test_any_tensors(ask: Callable, good: list[bytes], request: Any) -> None:
    assert ask("Predict", request.SerializeToString()) in PROPER
    assert ask("Predict", good[0]) == "OK"


@fuzzing
@given(data=st.data())
def test_mutated_bytes(ask: Callable, good: list[bytes], data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from(good)))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(wire)))
        end = data.draw(st.integers(start, min(len(wire), start + 8)))
        wire[start:end] = data.draw(st.binary(max_size=8))
    assert ask(data.draw(st.sampled_from(METHODS)), bytes(wire)) in PROPER
    assert ask("Predict", good[0]) == "OK"
