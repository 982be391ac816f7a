"""JSON objects to tf.Example, by the rules of TensorFlow Serving."""

from typing import Any

import numpy as np

from serving.server.faults import Fault, invalid
from serving.server.rest.json_tensors import decode_base64, is_base64, to_array, type_name
from serving.wire import tensor_pb2 as pb

_MIN_INT64, _MAX_INT64, _MAX_UINT64 = -(2**63), 2**63 - 1, 2**64 - 1
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def fill_example(example: Any, value: Any) -> None:
    """Fills an Example.

    Args:
        example: an empty tf.train.Example.
        value: an object; each feature is a value or a list of values of one kind: strings and
            `{"b64": ...}` are bytes, decimals float, integers and booleans int64.

    Raises:
        Fault: INVALID_ARGUMENT that names the feature.
    """
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    for name, content in value.items():
        feature = example.features.feature[name]
        feature.SetInParent()
        for element in content if isinstance(content, list) else [content]:
            _add(feature, name, element)


def _add(feature: Any, name: str, element: Any) -> None:
    kind, value = _element(name, element)
    found = feature.WhichOneof("kind")
    if found not in (None, kind):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {_KINDS[found]}")
    getattr(feature, kind).value.append(value)


def _element(name: str, element: Any) -> tuple[str, Any]:
    """The kind of feature that a value belongs to, and what goes into it."""
    try:
        if isinstance(element, str):
            return "bytes_list", element.encode()
        if is_base64(element):
            return "bytes_list", decode_base64(element)
        if isinstance(element, bool):
            return "int64_list", int(element)
        if isinstance(element, int) and _MIN_INT64 <= element <= _MAX_UINT64:
            if element > _MAX_INT64:
                raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
            return "int64_list", element
        if isinstance(element, int | float):
            return "float_list", np.float32(to_array(element, pb.DT_FLOAT)).item()
    except Fault as fault:
        raise invalid(f"Feature: {name}: {fault.details}") from fault
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(element)}")
