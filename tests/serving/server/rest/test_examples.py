"""`:classify` and `:regress` over real sockets."""

import base64

import pytest


def _body(signature: str, *examples: object, **more: object) -> dict:
    return {"signature_name": signature, "examples": list(examples)} | more


def test_classify(post) -> None:
    examples = [{"x": [1.5, 2.0], "s": "cat"}, {"x": [0.25, 0.25], "n": 2, "s": ["dog"]}]
    answer = post(_body("classify", *examples), "classify")
    results = [[["cat", 3.5], ["other", -3.5]], [["dog", 2.5], ["other", -2.5]]]
    assert answer.json() == {"results": results}


def test_regress(post) -> None:
    answer = post(_body("regress", {"x": [1.5, 2.5]}, {}, {"n": True}), "regress")
    assert answer.text == '{\n    "results": [4.0, 0.0, 1.0]\n}'


def test_bytes_and_a_common_context(post) -> None:
    label = {"b64": base64.b64encode("é".encode()).decode()}
    body = _body("classify", {"x": [1.0, 0.0]}, {}, context={"s": label, "n": 3})
    results = [[["é", 4.0], ["other", -4.0]], [["é", 3.0], ["other", -3.0]]]
    assert post(body, "classify").json() == {"results": results}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": [1]}, "When method is regress, key 'examples' is expected"),
        ({"examples": {}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [3]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{}], "context": []}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        ({"examples": [{"x": {"y": 1}}]}, "unexpected JSON type: Object"),
        ({"examples": [{"x": [1.5, 2]}]}, "element type in feature: x expecting type: float"),
        ({"examples": [{"x": ["a", 2]}]}, "element type in feature: x expecting type: bytes"),
        ({"examples": [{"n": 2**63}]}, "Feature: n has uint64 element. Only int64 is supported."),
        ({"examples": [{"x": 1e39}]}, "Feature: x: Cannot convert JSON value: 1e+39 to float"),
        ({"examples": [{"s": {"b64": "*"}}]}, "Feature: s: Unable to base64 decode"),
        ({"examples": [{}], "signature_name": "absent"}, "No signature was found"),
    ],
)
def test_bodies_that_are_refused(refused, body: dict, words: str) -> None:
    assert words in refused({"signature_name": "regress"} | body, "regress")
