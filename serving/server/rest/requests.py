"""Bodies of `:predict`, `:classify` and `:regress` to TensorFlow Serving's requests."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.server.faults import Fault, invalid
from serving.server.rest.json_tensors import decode_base64, is_base64, to_array, type_name
from serving.server.rest.json_text import value_error
from serving.server.signatures import Signature
from serving.wire import messages_pb2 as pb
from serving.wire.tensors import fill_proto

_INSTANCES, _INPUTS = "instances", "inputs"
_ONE_OF = (
    f"Not formatted correctly expecting only one of '{_INPUTS}' or '{_INSTANCES}' keys to exist "
)

_MIN_INT64, _MAX_INT64, _MAX_UINT64 = -(2**63), 2**63 - 1, 2**64 - 1
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def signature_name(body: Mapping[str, Any]) -> str:
    """The signature that a body asks for; empty: the default one."""
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise value_error(
            body, "not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def fill_predict(request: PredictRequest, body: Mapping[str, Any], signature: Signature) -> bool:
    """Fills in the inputs.

    Args:
        request: with its model_spec.
        body: `instances` (row format: one element a picture) or `inputs` (column format).
        signature: the one that is asked for; inputs with a default may be left out.

    Returns:
        Whether the body is in row format, and the answer is to be.

    Raises:
        Fault: INVALID_ARGUMENT; the body does not fit the signature.
    """
    types = {name: signature.inputs[name].dtype for name in sorted(signature.inputs)}
    if not types:
        wanted = request.model_spec.signature_name or "DEFAULT"
        raise invalid(f"Failed to get input map for signature: {wanted}")
    required = set(types) - set(signature.defaults)
    if _INSTANCES in body and _INPUTS in body:
        raise value_error(body, _ONE_OF)
    if _INSTANCES in body:
        rows = body[_INSTANCES]
        if not isinstance(rows, list):
            raise value_error(body, f"Excepting '{_INSTANCES}' to be an list/array")
        if not rows:
            raise value_error(body, f"No values in '{_INSTANCES}' array")
        for name, column in _columns(rows, types, required).items():
            try:
                array = to_array(column, types[name])
            except Fault as fault:
                key = name if _is_row(rows[0]) else None
                raise _first_fault(column, key, types[name]) or fault from fault
            fill_proto(request.inputs[name], array)
        return True
    if _INPUTS not in body:
        raise invalid(f"Missing '{_INPUTS}' or '{_INSTANCES}' key")
    for name, value in _named(body[_INPUTS], types, required).items():
        fill_proto(request.inputs[name], to_array(value, types[name]))
    return False


def fill_examples(source: Input, body: Mapping[str, Any], method: str) -> None:
    """Fills in `examples`, objects of features, and `context`, features common to all."""
    examples: Any = source.example_list
    if "context" in body:
        examples = source.example_list_with_context
        examples.context.SetInParent()
        _fill_example(examples.context, body["context"])
    if "examples" not in body:
        raise value_error(
            body, f"When method is {method}, key 'examples' is expected and was not found"
        )
    values = body["examples"]
    if not isinstance(values, list):
        raise value_error(body, "Expecting 'examples' value to be an list/array")
    if not values:
        raise value_error(body, "'examples' value is an empty array")
    for value in values:
        _fill_example(examples.examples.add(), value)


def _fill_example(example: Any, value: Any) -> None:
    """Fills a tf.train.Example.

    Each feature is a value or a list of values of one kind: strings and `{"b64": ...}` are bytes,
    decimals float, integers and booleans int64.
    """
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    for name, content in value.items():
        feature = example.features.feature[name]
        feature.SetInParent()
        for element in content if isinstance(content, list) else [content]:
            kind, converted = _element(name, element)
            found = feature.WhichOneof("kind")
            if found not in (None, kind):
                raise invalid(
                    f"Unexpected element type in feature: {name} expecting type: {_KINDS[found]}"
                )
            getattr(feature, kind).value.append(converted)


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


def _is_row(value: Any) -> bool:
    """Whether an element of `instances` is an object of named inputs."""
    return isinstance(value, dict) and not is_base64(value)


def _columns(rows: list[Any], types: Mapping[str, int], required: set[str]) -> dict[str, list[Any]]:
    """The rows' values by input."""
    if not _is_row(rows[0]):
        if len(types) > 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects as multiple input"
                " tensors required as per tensorinfo_map"
            )
        for number, row in enumerate(rows):
            if _is_row(row):
                raise invalid(f"Expecting value/list but got object at item {number} of input list")
        return {next(iter(types)): rows}
    names = set(rows[0])
    for number, row in enumerate(rows):
        if not _is_row(row):
            raise invalid(f"Expecting object but got list at item {number} of input list")
        for name in row:
            if name not in types:
                raise _row_fault(
                    number, name, invalid(f"JSON object: does not have named input: {name}")
                )
        # What has a default may be left out, but by all rows or none.
        if set(row) != names or required - names:
            raise value_error(
                row,
                f"keys must be equal to: {','.join(sorted(required | names))}"
                f" (element {number} of '{_INSTANCES}' list)",
            )
    return {name: [row[name] for row in rows] for name in sorted(names)}


def _first_fault(column: list[Any], name: str | None, dtype: int) -> Fault | None:
    """What is wrong with the first element that is: by itself, or beside the elements before."""
    first = None
    for number, value in enumerate(column):
        try:
            array = to_array(value, dtype)
            if first is None:
                first = array
            if array.size != first.size:
                raise invalid(f"Expecting tensor size: {first.size} but got: {array.size}")
            if array.shape != first.shape:
                raise invalid(f"Expecting shape {list(first.shape)} but got: {list(array.shape)}")
        except Fault as fault:
            return _row_fault(number, name, fault)
    return None


def _row_fault(number: int, name: str | None, fault: Fault) -> Fault:
    key = f" key: {name}" if name else ""
    return Fault(
        fault.code,
        f"Failed to process element: {number}{key} of '{_INSTANCES}' list."
        f" Error: {fault.code.name}: {fault.details}",
    )


def _named(value: Any, types: Mapping[str, int], required: set[str]) -> dict[str, Any]:
    """The values of the column format, by input."""
    if not _is_row(value):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors"
                " required as per tensorinfo_map"
            )
        return {next(iter(types)): value}
    for name in types:
        if name in required and name not in value:
            raise invalid(f"Missing named input: {name} in '{_INPUTS}' object.")
    for name in value:
        if name not in types:
            raise invalid(f"JSON object: does not have named input: {name}")
    return value
