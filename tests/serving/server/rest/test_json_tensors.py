"""JSON values as tensors, by the rules of TensorFlow Serving."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from serving.server.rest.json_tensors import to_array
from serving.server.rest.json_text import parse_object
from serving.wire.tensors import numpy_type

FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING, _, INT64, BOOL = range(1, 11)
UINT16, HALF, UINT32, UINT64 = 17, 19, 22, 23
_NUMBERS = [FLOAT, DOUBLE, HALF, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, BOOL]


def _array(text: str, dtype: int) -> np.ndarray:
    return to_array(parse_object(f'{{"v": {text}}}'.encode())["v"], dtype)


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        ("[1, 2.5]", FLOAT, [1, 2.5]),
        ("3", FLOAT, 3),
        ("[[1], [2]]", HALF, [[1], [2]]),
        ("[9007199254740991, 1e308]", DOUBLE, [9007199254740991, 1e308]),
        ("[NaN, -Infinity]", FLOAT, [np.nan, -np.inf]),
        ("[16777215, 1e38]", FLOAT, [16777215, 1e38]),
        ("18446744073709551615", UINT64, 2**64 - 1),
        ("[-128, 127]", INT8, [-128, 127]),
        ("[true, false]", BOOL, [True, False]),
        ("[]", INT32, []),
        ("[[], []]", FLOAT, np.zeros((2, 0))),
        # Beyond 64 bits, digits make a floating-point number.
        ("100000000000000000000", FLOAT, 1e20),
    ],
)
def test_numbers(text: str, dtype: int, expected) -> None:
    array = _array(text, dtype)
    assert array.dtype == numpy_type(dtype)
    assert array.shape == np.shape(expected)
    np.testing.assert_array_equal(array, np.array(expected, array.dtype))


def test_strings_and_bytes() -> None:
    text = '[["é", {"b64": "/+8="}], [{"b64": "/+8"}, {"b64": "AA\\nA ="}]]'
    array = _array(text, STRING)
    assert array.shape == (2, 2)
    assert array.ravel().tolist() == ["é".encode(), b"\xff\xef", b"\xff\xef", b"\0\0"]
    assert _array('"x"', STRING).shape == ()


@pytest.mark.parametrize(
    ("text", "dtype", "words"),
    [
        ("[1, 2.0]", INT32, "JSON Value: 2.0 Type: Number is not of expected type: int32 at [1]"),
        ('[["x"]]', FLOAT, 'JSON Value: "x" Type: String is not of expected type: float at [0][0]'),
        ("[0, true]", INT64, "JSON Value: true Type: True is not of expected type: int64 at [1]"),
        ("null", FLOAT, "JSON Value: null Type: Null is not of expected type: float"),
        ("[1]", BOOL, "JSON Value: 1 Type: Number is not of expected type: bool at [0]"),
        ("[7]", STRING, "JSON Value: 7 Type: Number is not of expected type: string at [0]"),
        ("1" + "0" * 400, INT64, "is not of expected type: int64"),
        ("[255, 256]", UINT8, "JSON Value: 256 Type: Number is not of expected type: uint8 at [1]"),
        ("-1", UINT64, "is not of expected type: uint64"),
        ("[1, 16777217]", FLOAT, "Cannot convert JSON value: 16777217 to float without loss"),
        ("9007199254740993", DOUBLE, "to double without loss of precision."),
        ("1e39", FLOAT, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ("[0, -70000.5]", HALF, "to half without loss of precision. at [1]"),
        ("1e400", DOUBLE, "without loss of precision."),
        ('[{"b64": 1}]', STRING, "not formatted correctly for base64 data at [0]"),
        ('{"b64": "AA=A"}', STRING, "Unable to base64 decode"),
        ('[{"b64": "AAAA"}, {"b64": "*"}]', STRING, "Unable to base64 decode at [1]"),
        ("[[1, 2], [3]]", FLOAT, "unexpected size: 1 at level: 1 expected size: 2 at [1]"),
        ("[[1], 2]", FLOAT, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM"),
        ("[1, [2]]", FLOAT, "Encountered list at unexpected level: 1 expected < 1 at [1]"),
        ("[[[1], [2]], [[3], [4, 5]]]", INT32, "unexpected size: 2 at level: 2"),
    ],
)  # fmt: skip
def test_what_does_not_fit(fault_of, text: str, dtype: int, words: str) -> None:
    code, details = fault_of(lambda: _array(text, dtype))
    assert (code, words in details) == ("INVALID_ARGUMENT", True), details


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(_NUMBERS))
def test_any_array_survives_json(data: st.DataObject, dtype: int) -> None:
    shapes = npst.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)
    array = data.draw(npst.arrays(numpy_type(dtype), shapes))
    text = json.dumps(array.tolist())
    np.testing.assert_array_equal(_array(text, dtype), array)
