"""Sampled requests with their answers, for looking later at how the data drifts."""

import base64
import hashlib
import json
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import Message
from tensorflow_serving.config.logging_config_pb2 import LoggingConfig
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import InputError
from serving.server.call import Call
from serving.server.line_writer import LineWriter, LogFile
from serving.wire.tensors import dtype_name, to_array

_CAPACITY = 256
# Requests that wait to be written, with their pictures: what is beyond is left out.
_MAX_WAITING_BYTES = 64 * 2**20
# A tensor of more values than this for one picture is told by type and shape alone.
_MAX_VALUES = 16
_MAX_TEXT = 256  # bytes; a longer string is data, not a label


class Sampling(NamedTuple):
    """How the requests of one model are logged."""

    prefix: str  # path of the file without `.jsonl`
    rate: float  # chance that a request is kept, 0 to 1


@dataclass(frozen=True)
class _Sample:
    """A request as it stood when it was answered."""

    head: dict[str, object]
    request: Message
    response: Message
    prefix: str
    size: int


class RequestLog:
    """Writes a fraction of the requests that were answered, in the background.

    Each is a JSON line: what `Call.told` tells of the call, then its inputs and outputs.

    Args:
        default: for models without a LoggingConfig of their own; None: those are not logged.
        with_bytes: whether pictures themselves are kept beside their hashes.
        mode: of new files.
    """

    def __init__(
        self, default: Sampling | None = None, *, with_bytes: bool = False, mode: int = 0o600
    ):
        self._default, self._mode = default, mode
        self._with_bytes = with_bytes
        self._by_model: Mapping[str, Sampling] = {}
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._random = random.Random()
        self._writer: LineWriter[_Sample] = LineWriter("request log", self._write, _CAPACITY)

    def configure(self, config: ModelServerConfig) -> None:
        """Takes each model's `logging_config`; an InputError for one that cannot be."""
        self._by_model = {
            model.name: _sampling(model.name, model.logging_config)
            for model in config.model_config_list.config
            if model.HasField("logging_config")
        }

    def offer(self, call: Call, request: Message, response: Message) -> None:
        """Keeps a request if chance says so; never waits and never fails."""
        sampling = self._by_model.get(call.model, self._default)
        if sampling is None or self._random.random() >= sampling.rate:
            return
        size = request.ByteSize() + response.ByteSize()
        with self._lock:
            if self._waiting_bytes + size > _MAX_WAITING_BYTES:
                return
            self._waiting_bytes += size
        if not self._writer.put(_Sample(call.told(), request, response, sampling.prefix, size)):
            self._release(size)

    def close(self) -> None:
        """Writes what waits."""
        self._writer.close()

    def _write(self, sample: _Sample) -> None:
        try:
            record = _record(sample.request, sample.response, with_bytes=self._with_bytes)
        finally:
            self._release(sample.size)
        data = f"{json.dumps(sample.head | record)}\n".encode()
        path = Path(f"{sample.prefix}.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(LogFile(path, self._mode)) as file:
            file.append(data)

    def _release(self, size: int) -> None:
        with self._lock:
            self._waiting_bytes -= size


def _sampling(model: str, config: LoggingConfig) -> Sampling:
    collector, rate = config.log_collector_config, config.sampling_config.sampling_rate
    what = f"logging_config of model {model}"
    if collector.type not in ("", "file"):
        expected = 'log_collector_config { type: "file" }'
        raise InputError(what, expected=expected, found=f'type "{collector.type}"')
    if not 0 <= rate <= 1:
        raise InputError(f"{what}: sampling rate", expected="0 to 1", found=str(rate))
    if rate and not collector.filename_prefix:
        raise InputError(f"{what}: request log", expected="a file name prefix", found="none")
    return Sampling(collector.filename_prefix, rate)


def _record(request: Any, response: Any, *, with_bytes: bool) -> dict[str, Any]:
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
    hashed = partial(_hashed, with_bytes=with_bytes)
    ways = ("inputs", request.inputs, hashed), ("outputs", response.outputs, _text_or_hash)
    return {
        side: {name: _tensor(protos[name], string) for name in sorted(protos)}
        for side, protos, string in ways
    }


def _result(result: Any) -> list[Any]:
    """Of a Classify: (label, score) pairs for each Example; of a Regress: a number for each."""
    if "regressions" in result.DESCRIPTOR.fields_by_name:
        return _finite(np.array([one.value for one in result.regressions]))
    return [
        [[one.label, _finite(np.array(one.score))] for one in each.classes]
        for each in result.classifications
    ]


def _tensor(proto: Any, string: Callable[[bytes], Any]) -> dict[str, Any]:
    array = to_array(proto)
    told: dict[str, Any] = {"dtype": dtype_name(proto.dtype), "shape": list(array.shape)}
    if array.dtype == object:
        flat = np.empty(array.size, object)
        flat[:] = [string(one) for one in array.ravel()]
        told["values"] = flat.reshape(array.shape).tolist()
    elif array.size <= _MAX_VALUES * (array.shape[0] if array.ndim else 1):
        text = array.dtype.kind == "c"
        told["values"] = array.astype(str).tolist() if text else _finite(array)
    return told


def _finite(numbers: np.ndarray) -> Any:
    """As JSON has them: it has no NaN and no infinity."""
    return np.where(np.isfinite(numbers), numbers.astype(object), np.array(None)).tolist()


def _text_or_hash(data: bytes) -> Any:
    with suppress(UnicodeDecodeError):
        if len(data) <= _MAX_TEXT:
            return data.decode()
    return _hashed(data, with_bytes=False)


def _hashed(data: bytes, with_bytes: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    if with_bytes:
        told["b64"] = base64.b64encode(data).decode()
    return told
