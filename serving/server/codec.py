"""TensorProto to array and back in the server: all of TensorFlow's types, within limits."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import tensorflow as tf

from serving.server.faults import exhausted, invalid
from serving.wire import messages_pb2, methods
from serving.wire.tensors import TensorError, fill_proto, numpy_type, to_array

# What a request's tensors may take in memory. A proto of a few bytes may stand for any number of
# equal values: one that could not be sent in full is refused, or a few requests fill the memory.
MAX_INPUT_BYTES = methods.MAX_MESSAGE_BYTES


def check_size(inputs: Mapping[str, messages_pb2.TensorProto]) -> None:
    """Refuses tensors that would take too much memory, before they do (RESOURCE_EXHAUSTED)."""
    total = 0
    for proto in inputs.values():
        # A negative size is another mistake, which `decode` tells.
        count = math.prod(max(dim.size, 0) for dim in proto.tensor_shape.dim)
        total += count * _item_bytes(proto.dtype)
    if total > MAX_INPUT_BYTES:
        raise exhausted(
            f"by their shapes the inputs take {total} bytes, at most {MAX_INPUT_BYTES} are taken"
        )


def decode(name: str, proto: messages_pb2.TensorProto) -> np.ndarray:
    """An input's value, from either encoding; a Fault (INVALID_ARGUMENT) where it has none."""
    try:
        if not _is_rare(proto.dtype):
            return to_array(proto)
        if proto.tensor_shape.unknown_rank or any(dim.size < 0 for dim in proto.tensor_shape.dim):
            raise TensorError("its shape is not known")
        return tf.make_ndarray(proto)
    except (TensorError, TypeError, ValueError) as error:
        raise invalid(f"tensor parsing error: {name}: {error}") from error


def encode(
    proto: messages_pb2.TensorProto, array: np.ndarray, dtype: int, *, as_content: bool
) -> None:
    """Writes an output into an empty proto."""
    if not _is_rare(dtype):
        fill_proto(proto, array, as_content=as_content)
        return
    proto.MergeFrom(tf.make_tensor_proto(array))
    # A session answers quantized numbers as plain integers.
    proto.dtype = dtype  # type: ignore[assignment]
    if dtype == tf.bfloat16.as_datatype_enum and not as_content:
        proto.tensor_content = b""
        proto.half_val[:] = np.ravel(array).view(np.uint16).tolist()


def _is_rare(code: int) -> bool:
    """Whether it is a type that NumPy lacks: bfloat16, the quantized, the very small ones."""
    return code != messages_pb2.DT_STRING and numpy_type(code) is None


@lru_cache(64)
def _item_bytes(code: int) -> int:
    if code == messages_pb2.DT_STRING:
        return np.dtype(object).itemsize
    try:
        return tf.as_dtype(code).size
    except TypeError:
        return 1  # no such type: refused later
