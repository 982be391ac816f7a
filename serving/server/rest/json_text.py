"""JSON text to Python values, as strictly as TensorFlow Serving's parser reads it."""

import json
from collections import Counter
from typing import Any, NoReturn

import numpy as np

from serving.server.faults import Fault, invalid

_MAX_TOLD = 100

# rapidjson's words for what Python's parser says.
_WORDS = {
    "Expecting value": "Invalid value.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or closing bracket after an element.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}


class Literal(float):
    """NaN, Infinity or -Infinity, written so; a plain infinite float was too big a number."""


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Parses a request's body.

    NaN, Infinity and -Infinity are numbers, as TensorFlow Serving has it. A key that stands twice
    in one object is refused: TensorFlow Serving would take either one or both. What is no object
    is a Fault (INVALID_ARGUMENT).

    Args:
        body: UTF-8, with or without a byte order mark.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse("Invalid encoding in string.", error.start)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=Literal)
    except json.JSONDecodeError as error:
        _refuse(_WORDS.get(error.msg, error.msg), len(text[: error.pos].encode()))
    except RecursionError as error:
        raise invalid("JSON Parse error: The document is nested too deeply.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise invalid("JSON Parse error: Number too big to be stored in double.") from error
    if "\\ud" in text.lower():  # only an escape can make half of a pair, which no UTF-8 holds
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error
    if not isinstance(value, dict):
        raise value_error(value, "Is not object")
    return value


def count_elements(body: bytes | bytearray) -> int:
    """How many values a JSON text may hold at most, without parsing it."""
    bytes_ = np.frombuffer(body, np.uint8)
    return 1 + sum(int(np.count_nonzero(bytes_ == ord(mark))) for mark in ",[{")


def told(value: Any) -> str:
    """A value as JSON, shortened, for a message."""
    if isinstance(value, str):
        value = value[: _MAX_TOLD + 1]
    text = ""
    # Only the beginning is shown: a large value is not written out in full for it.
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += piece
        if len(text) > _MAX_TOLD:
            return text[:_MAX_TOLD] + "..."
    return text


def value_error(value: Any, complaint: str) -> Fault:
    """An INVALID_ARGUMENT that shows a value."""
    return invalid(f"JSON Value: {told(value)} {complaint}")


def _refuse(what: str, offset: int) -> NoReturn:
    raise invalid(f"JSON Parse error: {what} at offset: {offset}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise invalid(f"JSON Parse error: The key {told(twice)} stands twice in one object.")
    return result
