"""Answers as JSON text, as TensorFlow Serving writes it."""

import base64
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_serving.apis.classification_pb2 import ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.regression_pb2 import RegressionResponse

from serving.server.faults import invalid
from serving.wire import methods
from serving.wire.tensors import TensorError, dtype_name, to_array

_BYTES_SUFFIX = "_bytes"
_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_INDENT = 4  # TensorFlow Serving's


def rows(outputs: Mapping[str, Any]) -> str:
    """TensorProtos in row format: `predictions`, one element an image.

    An element is the value if there is one output, an object of named values if there are more.

    Raises:
        Fault: INVALID_ARGUMENT; the outputs do not share a batch dimension.
    """
    batch, columns = 0, {}
    for name in sorted(outputs):
        texts, shape = _values(name, outputs[name])
        if not shape:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if shape[0] < 1:
            raise invalid(f"Tensor name: {name} has invalid batch size: {shape[0]}")
        if batch not in (0, shape[0]):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {shape[0]} expecting: {batch}"
            )
        batch = shape[0]
        columns[name] = _nested(texts, shape, 1)
    if len(columns) == 1:
        elements = next(iter(columns.values()))
    else:
        elements = [
            _object(dict(zip(columns, row, strict=True)))
            for row in zip(*columns.values(), strict=True)
        ]
    return _document("predictions", "[" + ", ".join(elements) + "]")


def columns(outputs: Mapping[str, Any]) -> str:
    """TensorProtos in column format: `outputs`, by name if there are more than one."""
    texts = {name: _nested(*_values(name, outputs[name]), 0)[0] for name in sorted(outputs)}
    return _document("outputs", next(iter(texts.values())) if len(texts) == 1 else _object(texts))


def classifications(response: ClassificationResponse) -> str:
    """`results`: for each Example its [label, score] pairs."""
    if not response.result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    elements = []
    for one in response.result.classifications:
        scores = _decimals(np.array([each.score for each in one.classes], np.float32))
        labels = [_text(each.label) for each in one.classes]
        pairs = [f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True)]
        elements.append("[" + ", ".join(pairs) + "]")
    return _document("results", "[" + ", ".join(elements) + "]")


def regressions(response: RegressionResponse) -> str:
    """`results`: for each Example a number."""
    if not response.result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    values = np.array([one.value for one in response.result.regressions], np.float32)
    return _document("results", "[" + ", ".join(_decimals(values)) + "]")


def status(response: Message) -> str:
    """A GetModelStatusResponse: `model_version_status`."""
    return json_format.MessageToJson(response, indent=1, always_print_fields_with_no_presence=True)


def metadata(response: GetModelMetadataResponse) -> str:
    """`model_spec` and `metadata` with its `signature_def`."""
    signatures = SignatureDefMap.FromString(response.metadata[methods.METADATA_FIELD].value)
    return json.dumps(
        {
            "model_spec": _plain(response.model_spec),
            "metadata": {methods.METADATA_FIELD: _plain(signatures)},
        },
        indent=1,
    )


def error(message: str) -> str:
    """What any request is answered with that fails."""
    return _document("error", _text(message))


def _plain(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _document(name: str, text: str) -> str:
    return f"{{\n{' ' * _INDENT}{_text(name)}: {text}\n}}"


def _object(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_text(name)}: {text}" for name, text in texts.items()) + "}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _values(name: str, proto: Any) -> tuple[list[str], tuple[int, ...]]:
    """A tensor's values as JSON, in row-major order, and its shape."""
    unknown = invalid(f"Failed to write JSON value for tensor type: {dtype_name(proto.dtype)}")
    try:
        array = to_array(proto)
    except TensorError as error:
        raise unknown from error
    flat, kind = array.ravel(), array.dtype.kind
    if kind == "O":
        return _strings(name, flat.tolist()), array.shape
    if kind == "f":
        return _decimals(flat), array.shape
    if kind == "c":
        raise unknown
    return [str(value).lower() for value in flat.tolist()], array.shape  # integers, booleans


def _strings(name: str, values: list[bytes]) -> list[str]:
    """Text; base64 if the output's name says bytes, or if one of them is no text."""
    if not name.endswith(_BYTES_SUFFIX):
        with suppress(UnicodeDecodeError):
            return [_text(value.decode()) for value in values]
    return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in values]


def _decimals(values: np.ndarray) -> list[str]:
    """Numbers as TensorFlow Serving prints them: six digits, or all where six lose something.

    Args:
        values: one-dimensional float16 (printed as float32), float32 or float64.

    Returns:
        Texts that are read back as the same float; whole numbers end in `.0`; NaN, Infinity and
        -Infinity by these names, which are no strict JSON.
    """
    if values.dtype != np.float64:
        values = values.astype(np.float32)
    digits = 17 if values.dtype == np.float64 else 9
    numbers = values.tolist()
    texts = [f"{number:.6g}" for number in numbers]
    read = np.array([float(text) for text in texts]).astype(values.dtype)
    for index in np.flatnonzero(read != values):
        texts[index] = f"{numbers[index]:.{digits}g}"
    return [one if "." in one or "e" in one else _NAMED.get(one, f"{one}.0") for one in texts]


def _nested(texts: list[str], shape: tuple[int, ...], level: int) -> list[str]:
    """Lists of lists of that shape, down from `level`; as many as the dimensions above hold."""
    for depth in range(len(shape) - 1, level - 1, -1):
        size = shape[depth]
        texts = [
            "[" + ", ".join(texts[number * size : (number + 1) * size]) + "]"
            for number in range(math.prod(shape[:depth]))
        ]
    return texts
