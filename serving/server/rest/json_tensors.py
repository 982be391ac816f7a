"""JSON values to arrays by the rules of TensorFlow Serving, strict about types and shapes."""

import binascii
from itertools import chain
from typing import Any

import numpy as np

from serving.server.faults import Fault, invalid, unimplemented
from serving.server.rest.json_text import Literal, told
from serving.wire import messages_pb2 as pb
from serving.wire.tensors import dtype_name, numpy_type

_NUMBERS = {int, float, Literal}
# Integers beyond these are read as floating-point numbers.
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1

_MAX_DIMENSIONS = 64  # NumPy's

_BASE64 = "b64"


def is_base64(value: Any) -> bool:
    """Whether a value is `{"b64": "..."}`: bytes, and not an object of named inputs."""
    return type(value) is dict and len(value) == 1 and type(value.get(_BASE64)) is str


def to_array(value: Any, dtype: int) -> np.ndarray:
    """Converts a JSON value: a scalar or lists of one shape.

    Args:
        value: as parsed by `json_text`.
        dtype: TensorFlow's DataType of the input. An integer may stand for a float that holds it
            exactly, a float never for an integer. A string is its UTF-8 bytes, or base64.

    Returns:
        An array of that type; `object` of `bytes` for strings.

    Raises:
        Fault: INVALID_ARGUMENT with the position of what does not fit; UNIMPLEMENTED for a type
            that JSON has no values for.
    """
    shape = _shape(value)
    if len(shape) > _MAX_DIMENSIONS:
        raise invalid(f"JSON Value: lists are nested deeper than {_MAX_DIMENSIONS} levels")
    leaves = _leaves(value, shape)
    target = numpy_type(dtype)
    if target and target.kind == "f":
        array = _floats(leaves, shape, dtype, target)
    elif target and target.kind in "iu":
        array = _integers(leaves, shape, dtype, target)
    elif dtype == pb.DT_BOOL:
        _check_types(leaves, shape, {bool}, dtype)
        array = np.array(leaves, bool)
    elif dtype == pb.DT_STRING:
        array = _strings(leaves, shape)
    else:
        raise unimplemented(f"Conversion of JSON Value: {told(value)} to type: {dtype_name(dtype)}")
    return array.reshape(shape)


def decode_base64(value: dict[str, str]) -> bytes:
    """The bytes of `{"b64": "..."}`; padding may be missing; else a Fault."""
    bare = "".join(value[_BASE64].split()).rstrip("=")
    try:
        return binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except ValueError as error:
        raise invalid("Unable to base64 decode") from error


def _shape(value: Any) -> tuple[int, ...]:
    """The shape that the first elements tell."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _leaves(value: Any, shape: tuple[int, ...]) -> list[Any]:
    """The values in row-major order, after a check that all lists have that shape."""
    items = [value]
    for level, size in enumerate(shape):
        if not set(map(type, items)) <= {list}:
            index = next(i for i, item in enumerate(items) if type(item) is not list)
            raise invalid(
                f"JSON Value: {told(items[index])} found at incorrect level: {level + 1}"
                f" in the JSON DOM. Expected at level: {len(shape)}"
                f"{_position(index, shape[:level])}"
            )
        if not set(map(len, items)) <= {size}:
            index = next(i for i, item in enumerate(items) if len(item) != size)
            raise invalid(
                f"Encountered list at unexpected size: {len(items[index])} at level: {level}"
                f" expected size: {size}{_position(index, shape[:level])}"
            )
        items = list(chain.from_iterable(items))
    if list in set(map(type, items)):
        index = next(i for i, item in enumerate(items) if type(item) is list)
        raise invalid(
            f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}"
            f"{_position(index, shape)}"
        )
    return items


def _floats(leaves: list[Any], shape: tuple[int, ...], dtype: int, target: np.dtype) -> np.ndarray:
    _check_types(leaves, shape, _NUMBERS, dtype)
    limits = np.finfo(target)
    exact = 2 ** (limits.nmant + 1) - 1
    try:
        values = np.array(leaves, np.float64)
    except OverflowError:
        # As text, a number that is too big is infinite.
        values = np.array([float(str(leaf)) for leaf in leaves])
    wrong = np.isfinite(values) & (np.abs(values) > float(limits.max))
    if np.isinf(values).any():
        wrong |= np.isinf(values) & np.array([type(leaf) is not Literal for leaf in leaves])
    if int in set(map(type, leaves)):
        inexact = [
            type(leaf) is int and abs(leaf) > exact and _MIN_INTEGER <= leaf <= _MAX_INTEGER
            for leaf in leaves
        ]
        wrong |= np.array(inexact, bool)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise invalid(
            f"Cannot convert JSON value: {told(leaves[index])} to {dtype_name(dtype)}"
            f" without loss of precision.{_position(index, shape)}"
        )
    return values.astype(target)


def _integers(
    leaves: list[Any], shape: tuple[int, ...], dtype: int, target: np.dtype
) -> np.ndarray:
    _check_types(leaves, shape, {int}, dtype)
    limits = np.iinfo(target)
    if leaves and (min(leaves) < limits.min or max(leaves) > limits.max):
        index = next(i for i, leaf in enumerate(leaves) if not limits.min <= leaf <= limits.max)
        raise _type_error(leaves[index], dtype, index, shape)
    return np.array(leaves, target)


def _strings(leaves: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    _check_types(leaves, shape, {str, dict}, pb.DT_STRING)
    values = np.empty(len(leaves), object)
    for index, leaf in enumerate(leaves):
        try:
            values[index] = _bytes(leaf)
        except Fault as fault:
            raise invalid(fault.details + _position(index, shape)) from fault
    return values


def _bytes(leaf: Any) -> bytes:
    if type(leaf) is str:
        return leaf.encode()
    if not is_base64(leaf):
        raise invalid(f"JSON Value: {told(leaf)} not formatted correctly for base64 data")
    return decode_base64(leaf)


def _check_types(leaves: list[Any], shape: tuple[int, ...], fit: set[type], dtype: int) -> None:
    if set(map(type, leaves)) <= fit:
        return
    index = next(i for i, leaf in enumerate(leaves) if type(leaf) not in fit)
    raise _type_error(leaves[index], dtype, index, shape)


def _type_error(leaf: Any, dtype: int, index: int, shape: tuple[int, ...]) -> Fault:
    return invalid(
        f"JSON Value: {told(leaf)} Type: {type_name(leaf)} is not of expected type:"
        f" {dtype_name(dtype)}{_position(index, shape)}"
    )


def type_name(value: Any) -> str:
    """JSON's name of a value's type, as TensorFlow Serving says it."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    names: dict[type, str] = {dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def _position(index: int, shape: tuple[int, ...]) -> str:
    """Where the index-th value of that shape stands, like ` at [1][0]`."""
    if not shape:
        return ""
    return " at " + "".join(f"[{number}]" for number in np.unravel_index(index, shape))
