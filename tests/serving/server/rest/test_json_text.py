"""Texts that are JSON, nearly JSON, or none."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.rest.json_text import parse_object, told


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1]", "JSON Parse error: Invalid value. at offset: 0"),
        (b'{"a": 1', "closing bracket after an element. at offset: 7"),
        (b'{"\xc3\xa9": nope}', "Invalid value. at offset: 7"),  # offsets count bytes
        (b'{"a": 1} {}', "must not be followed by other values. at offset: 9"),
        (b"[1, 2]", "JSON Value: [1, 2] Is not object"),
        (b"7", "JSON Value: 7 Is not object"),
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
        (b'{"\\uDC00": 1}', "The surrogate pair in string is invalid."),
        (b'{"a": {"k": 1, "k": 1}}', 'The key "k" stands twice in one object.'),
    ],
)
def test_texts_that_are_refused(fault_of, body: bytes, words: str) -> None:
    code, details = fault_of(lambda: parse_object(body))
    assert (code, words in details) == ("INVALID_ARGUMENT", True), details


def test_texts_that_are_read() -> None:
    text = b'\xef\xbb\xbf{"a": [1, 2.5, "\xc3\xa9\\ud83d\\ude00", null]}'
    assert parse_object(text) == {"a": [1, 2.5, "é\U0001f600", None]}
    special = parse_object(b'{"a": [NaN, Infinity, -Infinity]}')["a"]
    assert math.isnan(special[0])
    assert special[1:] == [math.inf, -math.inf]


def test_a_value_in_a_message_is_short() -> None:
    assert told({"a": [1, "x"]}) == '{"a": [1, "x"]}'
    assert told("é") == '"é"'
    for value in ("x" * 10**6, ["x" * 10**6], list(range(10**5)), {"a": list(range(10**5))}):
        assert len(told(value)) <= 104


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False) | st.text(max_size=5)))
def test_what_json_writes_is_read(value: dict) -> None:
    assert parse_object(json.dumps(value).encode()) == value
