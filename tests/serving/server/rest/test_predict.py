"""`:predict` over real sockets."""

import base64

import pytest


def _b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("float32", [[1.5, -2], [0, 3e-5]]),
        ("float16", [0.5, 65504.0]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("uint64", [2**64 - 1]),
        ("bool", [True, False]),
        ("string", ["", "é", 'a"b\\']),
    ],
)
def test_values_in_both_formats(post, signature: str, values: list) -> None:
    for key, result, named in (
        ("instances", "predictions", [{"x": value} for value in values]),
        ("inputs", "outputs", {"x": values}),
    ):
        for given in (values, named):
            answer = post({"signature_name": signature, key: given})
            assert answer.json() == {result: values}, answer.text


def test_a_scalar_has_columns_only(post, refused) -> None:
    assert post({"signature_name": "int32", "inputs": 7}).json() == {"outputs": 7}
    assert post({"signature_name": "int32", "inputs": {"x": 7}}).json() == {"outputs": 7}
    words = "Conversion of JSON Value: 7 to type: complex64"
    assert words in refused({"signature_name": "complex64", "inputs": 7}, code=501)


def test_bytes(post) -> None:
    data = b"\x89PNG\r\n\0\xff"
    expected = {"length": len(data), "same_bytes": _b64(data), "text": _b64(data)}
    assert post({"instances": [_b64(data), {"image_bytes": _b64(data)}]}).status_code == 400
    for rows in ([_b64(data)] * 2, [{"image_bytes": _b64(data)}] * 2):
        assert post({"instances": rows}).json() == {"predictions": [expected] * 2}
    columns = {"length": [3], "same_bytes": [_b64(b"abc")], "text": ["abc"]}
    for inputs in ([_b64(b"abc")], ["abc"], {"image_bytes": [_b64(b"abc")]}):
        assert post({"inputs": inputs}).json() == {"outputs": columns}


def test_an_empty_batch(post, refused) -> None:
    told = "JSON Value: {\"instances\": []} No values in 'instances' array"
    assert refused({"instances": []}) == told
    empty = {"length": [], "same_bytes": [], "text": []}
    assert post({"inputs": []}).json() == {"outputs": empty}


def test_numbers_that_are_none(post) -> None:
    answer = post(b'{"signature_name": "float32", "instances": [NaN, Infinity, -Infinity]}')
    assert answer.text == '{\n    "predictions": [NaN, Infinity, -Infinity]\n}'


def test_shapes_that_the_signature_does_not_tell(post) -> None:
    """TensorFlow Serving's first example: `x` is [-1, 1] in the signature, and any will do."""
    name = {"signature_name": "half_plus_two"}
    assert post(name | {"instances": [1.0, 2.0, 5.0]}).json() == {"predictions": [2.5, 3.0, 4.5]}
    rows = [{"x": [1.0, 2.0]}, {"x": [5.0, 0.0]}]
    assert post(name | {"instances": rows}).json() == {"predictions": [[2.5, 3.0], [4.5, 2.0]]}
    for inputs, outputs in ((1.0, 2.5), ([1.0, 5.0], [2.5, 4.5]), ([[[0.0]]], [[[2.0]]])):
        assert post(name | {"inputs": inputs}).json() == {"outputs": outputs}


def test_inputs_with_a_default(post, refused) -> None:
    rows = [{"a": 1.5}, {"a": 2}]
    body = {"signature_name": "optional", "instances": rows}
    assert post(body).json() == {"predictions": [15, 20]}
    assert post({"signature_name": "optional", "inputs": {"a": [3]}}).json() == {"outputs": [30]}
    body["instances"] = [row | {"b": 2} for row in rows]
    assert post(body).json() == {"predictions": [3, 4]}
    # Some rows with and some without would be no batch.
    body["instances"] = [rows[0] | {"b": 2}, rows[1]]
    told = "JSON Value: {\"a\": 2} keys must be equal to: a,b (element 1 of 'instances' list)"
    assert refused(body) == told


def test_rows_need_a_common_batch(post, refused) -> None:
    body = {"signature_name": "uneven", "instances": [1, 2]}
    assert "has no shape information" in refused(body)
    columns = post({"signature_name": "uneven", "inputs": [1, 2]})
    assert columns.json() == {"outputs": {"total": 3, "values": [1, 2], "twice": [1, 2, 1, 2]}}


FLOAT, AB = "float32", "optional"  # signatures, of x and of a and b
ELEMENT = "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT:"
X, Y = (f"key: {x} of 'instances' list. Error: INVALID_ARGUMENT: JSON" for x in "xy")


@pytest.mark.parametrize(
    ("signature", "body", "words"),
    [
        ("", {}, "Missing 'inputs' or 'instances' key"),
        ("", {"instances": [1], "inputs": [1]}, "expecting only one of 'inputs' or 'instances'"),
        ("", {"instances": 1}, "Excepting 'instances' to be an list/array"),
        (7, {}, "'signature_name' key must be a string value."),
        ("x", {"instances": [1]}, 'Serving signature name: "x" not found in signature def'),
        (FLOAT, {"instances": [1, "x"]}, f'{ELEMENT} JSON Value: "x" Type: String is not of'),
        (FLOAT, {"instances": [[1, 2], [3]]}, f"{ELEMENT} Expecting tensor size: 2 but got: 1"),
        (FLOAT, {"instances": [[[1, 2]], [[1], [2]]]}, "Expecting shape [1, 2] but got: [2, 1]"),
        (FLOAT, {"instances": [{"x": 1}, {"x": [[1], 2]}]}, f"element: 1 {X}"),
        (FLOAT, {"instances": [{"x": 1}, 2]}, "Expecting object but got list at item 1 of"),
        (FLOAT, {"instances": [1, {"x": 2}]}, "Expecting value/list but got object at item 1 of"),
        (FLOAT, {"instances": [{"x": 1, "y": 2}]}, f"{Y} object: does not have named input: y"),
        (AB, {"instances": [{"b": 1}]}, 'JSON Value: {"b": 1} keys must be equal to: a,b'),
        (AB, {"instances": [1]}, "instances is a plain list, but expecting list of objects"),
        (AB, {"inputs": [1]}, "inputs is a plain value/list, but expecting an object"),
        (AB, {"inputs": {"b": [1]}}, "Missing named input: a in 'inputs' object."),
        (AB, {"inputs": {"a": [1], "c": [1]}}, "JSON object: does not have named input: c"),
        # Found by the graph, not by the parser.
        (AB, {"inputs": {"a": [1, 2], "b": [1, 2, 3]}}, "Incompatible"),
    ],
)
def test_bodies_that_are_refused(refused, signature: object, body: dict, words: str) -> None:
    assert words in refused(({"signature_name": signature} if signature else {}) | body)


def test_the_body_is_read_before_the_model_is_sought(http) -> None:
    assert http.post("/v1/models/absent:predict", content=b"{").status_code == 400
    answer = http.post("/v1/models/absent:predict", json={"instances": [1]})
    assert answer.status_code == 404
    assert answer.text == '{\n    "error": "Servable not found for request: Latest(absent)"\n}'


def test_versions_and_labels(post) -> None:
    body = {"signature_name": "int32", "instances": [1]}
    for which in ("/versions/7", "/labels/stable"):
        assert post(body, which=which).json() == {"predictions": [1]}
    assert post(body, which="/versions/8").status_code == 404
