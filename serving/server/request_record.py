"""What a logged request looks like: hashes of pictures, values of answers."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from serving.wire.tensors import dtype_name, to_array

# A tensor of more values than this for one picture is told by type and shape alone.
_MAX_VALUES = 16
_MAX_TEXT = 256  # bytes; a longer string is data, not a label


def request_record(request: Any, response: Any, *, with_bytes: bool) -> dict[str, Any]:
    """The inputs and outputs of a request as JSON values.

    Returns:
        `inputs` and `outputs`, by name. A tensor is `{"dtype", "shape"}`, with `values` (nested by
        shape) if it has at most 16 numbers a picture. Strings of inputs (pictures, Examples) are
        always `{"sha256", "size"}` with `b64` on demand; those of outputs are text, or the same
        hashes where they are longer than 256 bytes or no text.
    """
    if "input" in request.DESCRIPTOR.fields_by_name:
        kind = request.input.WhichOneof("kind")
        examples = getattr(request.input, kind).examples if kind else []
        data = [_hashed(one.SerializeToString(deterministic=True), with_bytes) for one in examples]
        return {
            "inputs": {"examples": {"dtype": "string", "shape": [len(data)], "values": data}},
            "outputs": {"result": _result(response.result)},
        }
    return {
        "inputs": {
            name: _tensor(request.inputs[name], lambda one: _hashed(one, with_bytes))
            for name in sorted(request.inputs)
        },
        "outputs": {
            name: _tensor(response.outputs[name], _text_or_hash)
            for name in sorted(response.outputs)
        },
    }


def _result(result: Any) -> list[Any]:
    """Of a Classify: (label, score) pairs for each Example; of a Regress: a number for each."""
    if "regressions" in result.DESCRIPTOR.fields_by_name:
        return [_number(one.value) for one in result.regressions]
    return [
        [[one.label, _number(one.score)] for one in each.classes] for each in result.classifications
    ]


def _tensor(proto: Any, string: Callable[[bytes], Any]) -> dict[str, Any]:
    array = to_array(proto)
    told: dict[str, Any] = {"dtype": dtype_name(proto.dtype), "shape": list(array.shape)}
    if array.dtype == object:
        flat = np.empty(array.size, object)
        flat[:] = [string(one) for one in array.ravel()]
        told["values"] = flat.reshape(array.shape).tolist()
    elif array.size <= _MAX_VALUES * (array.shape[0] if array.ndim else 1):
        told["values"] = _numbers(array).tolist()
    return told


def _numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "c":
        return array.astype(str).astype(object)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    # JSON has no NaN and no infinity.
    values = array.astype(object)
    values[~np.isfinite(array)] = None
    return values


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _text_or_hash(data: bytes) -> Any:
    if len(data) <= _MAX_TEXT:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return _hashed(data, with_bytes=False)


def _hashed(data: bytes, with_bytes: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    if with_bytes:
        told["b64"] = base64.b64encode(data).decode()
    return told
