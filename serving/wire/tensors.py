"""NumPy arrays to TensorProto and back, by the rules of TensorFlow's `Tensor::FromProto`."""

import io
import math
from typing import cast

import numpy as np

from serving.wire import messages_pb2 as pb

# A TensorProto of a few bytes may stand for any number of equal values; this is where it ends.
MAX_TENSOR_BYTES = 256 * 2**20


class TensorError(ValueError):
    """A TensorProto that stands for no array, or an array of a type without TensorProto."""


class _Encoding:
    """How a type is stored: its NumPy type, its value field and that field's NumPy type.

    The last is None for floats and complex numbers, whose field is their bytes: see `TensorBytes`.
    """

    def __init__(self, dtype: str, field: str, stored: str | None = None):
        self.dtype, self.field, self.stored = np.dtype(dtype), field, stored


_ENCODINGS = {
    pb.DT_FLOAT: _Encoding("<f4", "float_val"),
    pb.DT_DOUBLE: _Encoding("<f8", "double_val"),
    pb.DT_HALF: _Encoding("<f2", "half_val", "<i4"),
    pb.DT_INT8: _Encoding("i1", "int_val", "<i4"),
    pb.DT_INT16: _Encoding("<i2", "int_val", "<i4"),
    pb.DT_INT32: _Encoding("<i4", "int_val", "<i4"),
    pb.DT_INT64: _Encoding("<i8", "int64_val", "<i8"),
    pb.DT_UINT8: _Encoding("u1", "int_val", "<i4"),
    pb.DT_UINT16: _Encoding("<u2", "int_val", "<i4"),
    pb.DT_UINT32: _Encoding("<u4", "uint32_val", "<u4"),
    pb.DT_UINT64: _Encoding("<u8", "uint64_val", "<u8"),
    pb.DT_BOOL: _Encoding("?", "bool_val", "?"),
    pb.DT_COMPLEX64: _Encoding("<c8", "scomplex_val"),
    pb.DT_COMPLEX128: _Encoding("<c16", "dcomplex_val"),
}
_BY_NUMPY_TYPE = {encoding.dtype: code for code, encoding in _ENCODINGS.items()}


def dtype_name(code: int) -> str:
    """TensorFlow's spelling of a DataType, like `float` or `string`."""
    known = code in pb.DataType.values()
    return pb.DataType.Name(code).removeprefix("DT_").lower() if known else f"type {code}"


def numpy_type(code: int) -> np.dtype | None:
    """NumPy's type for a DataType of numbers or booleans; None: it is another."""
    encoding = _ENCODINGS.get(cast("pb.DataType", code))
    return encoding.dtype if encoding else None


def to_array(proto: pb.TensorProto) -> np.ndarray:
    """Decodes a tensor from either encoding.

    Returns:
        An array of the proto's shape; `object` of `bytes` for strings.

    Raises:
        TensorError: unknown type, unknown or oversized shape, or content of another length.
    """
    shape = _shape(proto)
    count = math.prod(shape)
    if proto.dtype == pb.DT_STRING:
        return _strings(proto, count).reshape(shape)
    encoding = _ENCODINGS.get(proto.dtype)
    if encoding is None:
        raise TensorError(f"tensors of {dtype_name(proto.dtype)} are not supported")
    size = count * encoding.dtype.itemsize
    _check_size(size, shape)
    if proto.tensor_content:
        if len(proto.tensor_content) != size:
            raise TensorError(
                f"tensor_content holds {len(proto.tensor_content)} bytes,"
                f" shape {list(shape)} takes {size}"
            )
        # A copy, because the buffer of the message is read-only.
        return np.frombuffer(proto.tensor_content, encoding.dtype).reshape(shape).copy()
    return _from_field(proto, encoding, count).reshape(shape)


def fill_proto(proto: pb.TensorProto, array: np.ndarray, *, as_content: bool = True) -> None:
    """Encodes an array into an empty message.

    Args:
        proto: the message.
        array: of a number type, or `object`/`bytes_` with `bytes` elements.
        as_content: numbers as raw bytes; otherwise in the field of their type, the way
            TensorFlow Serving answers by default. Strings always go into theirs.

    Raises:
        TensorError: a type without TensorProto.
    """
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype.kind in "OS":
        proto.dtype = pb.DT_STRING
        proto.string_val.extend(array.ravel().tolist())
        return
    code = _BY_NUMPY_TYPE.get(array.dtype.newbyteorder("<"))
    if code is None:
        raise TensorError(f"arrays of {array.dtype} are not supported")
    encoding = _ENCODINGS[code]
    proto.dtype = code
    values = np.ascontiguousarray(array, encoding.dtype)
    if as_content:
        proto.tensor_content = values.tobytes()
    elif encoding.stored is None:
        packed = pb.TensorBytes(**{encoding.field: values.tobytes()})
        proto.MergeFromString(packed.SerializeToString())
    else:
        numbers = values.view("<u2") if code == pb.DT_HALF else values
        getattr(proto, encoding.field).extend(numbers.ravel().tolist())


def _shape(proto: pb.TensorProto) -> tuple[int, ...]:
    if proto.tensor_shape.unknown_rank:
        raise TensorError("a tensor of unknown rank has no value")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise TensorError(f"shape {list(shape)} has a negative size")
    if len(shape) > 32:
        raise TensorError(f"{len(shape)} dimensions are more than 32")
    return shape


def _check_size(size: int, shape: tuple[int, ...]) -> None:
    if size > MAX_TENSOR_BYTES:
        raise TensorError(
            f"shape {list(shape)} takes {size} bytes, more than {MAX_TENSOR_BYTES} are refused"
        )


def _from_field(proto: pb.TensorProto, encoding: _Encoding, count: int) -> np.ndarray:
    if encoding.stored is None:
        packed = pb.TensorBytes.FromString(proto.SerializeToString())
        raw = getattr(packed, encoding.field)
        whole = len(raw) // encoding.dtype.itemsize  # without an imaginary part, no number
        values = np.frombuffer(raw, encoding.dtype, whole).copy()
    else:
        field = getattr(proto, encoding.field)
        stored = np.fromiter(field, encoding.stored, count=len(field))
        half = proto.dtype == pb.DT_HALF
        values = stored.astype("<u2").view("<f2") if half else stored.astype(encoding.dtype)
    return _continued(values, count, 0)


def _strings(proto: pb.TensorProto, count: int) -> np.ndarray:
    _check_size(count * np.dtype(object).itemsize, _shape(proto))
    strings = _split(proto.tensor_content, count) if proto.tensor_content else proto.string_val
    return _continued(np.array(list(strings), object), count, b"")


def _continued(values: np.ndarray, count: int, default: object) -> np.ndarray:
    """Cut to `count` values, or continued with the last one."""
    if len(values) == 0:
        return np.full(count, default, values.dtype)
    if len(values) < count:
        values = np.pad(values, (0, count - len(values)), "edge")
    return values[:count]


def _split(content: bytes, count: int) -> list[bytes]:
    """Strings in tensor_content: `count` lengths as varints, then the strings without gaps."""
    stream = io.BytesIO(content)
    lengths = [_varint(stream) for _ in range(count)]
    if stream.tell() + sum(lengths) != len(content):
        raise TensorError("tensor_content of strings has another length than it tells")
    return [stream.read(length) for length in lengths]


def _varint(stream: io.BytesIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise TensorError("a number is cut off")
