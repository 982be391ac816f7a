"""Outputs as JSON text."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.rest import answers
from serving.wire import messages_pb2 as pb
from serving.wire.tensors import fill_proto


def to_proto(array: np.ndarray, **how: bool) -> pb.TensorProto:
    proto = pb.TensorProto()
    fill_proto(proto, array, **how)
    return proto


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.2"),
        (1 / 3, "0.333333343"),
        (2.0, "2.0"),
        (-0.0, "-0.0"),
        (1e6, "1e+06"),
        (16777215, "16777215.0"),
        (3e-5, "3e-05"),
        (0.1 + 0.7, "0.8"),
        (np.nan, "NaN"),
        (np.inf, "Infinity"),
        (-np.inf, "-Infinity"),
    ],
)
def test_floats_are_printed_as_by_tensorflow_serving(value: float, text: str) -> None:
    answer = answers.columns({"y": to_proto(np.array(value, np.float32))})
    assert answer == f'{{\n    "outputs": {text}\n}}'


def test_doubles_and_halves() -> None:
    answer = answers.columns({"y": to_proto(np.array([0.1, 1 / 3, 1e300, 5e-324]))})
    assert answer.split("[")[1].split("]")[0] == ("0.1, 0.33333333333333331, 1e+300, 4.94066e-324")
    half = answers.columns({"y": to_proto(np.array([0.1, 2], np.float16))})
    assert half == '{\n    "outputs": [0.0999755859, 2.0]\n}'


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([np.float32, np.float64]))
def test_every_number_is_read_back(data: st.DataObject, dtype: type) -> None:
    floats = st.floats(width=8 * np.dtype(dtype).itemsize, allow_nan=False)
    array = np.array(data.draw(st.lists(floats, min_size=1, max_size=20)), dtype)
    read = json.loads(answers.columns({"y": to_proto(array)}))["outputs"]
    assert np.array(read, dtype).tobytes() == array.tobytes()


def test_rows_of_one_and_of_several_outputs() -> None:
    scores = to_proto(np.array([[1, 2], [3, 4]], np.int64))
    assert json.loads(answers.rows({"s": scores})) == {"predictions": [[1, 2], [3, 4]]}
    both = {"s": scores, "label": to_proto(np.array([b'c"at', "é".encode()], object))}
    expected = [{"label": 'c"at', "s": [1, 2]}, {"label": "é", "s": [3, 4]}]
    assert json.loads(answers.rows(both)) == {"predictions": expected}
    # The text itself is UTF-8, not escapes.
    assert "é" in answers.rows(both)


def test_columns() -> None:
    flags = to_proto(np.array([[True], [False]]))
    assert json.loads(answers.columns({"f": flags})) == {"outputs": [[True], [False]]}
    both = {"f": flags, "n": to_proto(np.array(-3, np.int8))}
    assert json.loads(answers.columns(both)) == {"outputs": {"f": [[True], [False]], "n": -3}}
    empty = {"e": to_proto(np.zeros((2, 0, 3)))}
    assert json.loads(answers.columns(empty)) == {"outputs": [[], []]}


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"a": np.zeros((0, 2))}, "Tensor name: a has invalid batch size: 0"),
        ({"a": np.ones(2), "b": np.ones(3)}, "b has inconsistent batch size: 3 expecting: 2"),
        ({"a": np.zeros(1, np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
    ],
)
def test_outputs_that_make_no_rows(fault_of, outputs: dict[str, np.ndarray], words: str) -> None:
    protos = {name: to_proto(array) for name, array in outputs.items()}
    code, details = fault_of(lambda: answers.rows(protos))
    assert (code, words in details) == ("INVALID_ARGUMENT", True), details


def test_both_encodings_are_written_alike() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    one, other = (to_proto(array, as_content=flag) for flag in (True, False))
    assert answers.rows({"a": one}) == answers.rows({"a": other})
