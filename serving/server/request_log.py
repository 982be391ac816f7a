"""Sampled requests with their answers, for looking later at how the data drifts."""

import json
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import Message
from tensorflow_serving.config.logging_config_pb2 import LoggingConfig
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import InputError
from serving.server.call import Call
from serving.server.line_writer import LineWriter
from serving.server.request_record import request_record

_CAPACITY = 256
# Requests that wait to be written, with their pictures: what is beyond is left out.
_MAX_WAITING_BYTES = 64 * 2**20
_FILE_BYTES, _OLDER_FILES = 64 * 2**20, 4


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

    Each is a JSON line: what `Call.told` and `request_record` tell.

    Args:
        default: for models without a LoggingConfig of their own; None: those are not logged.
        with_bytes: whether pictures themselves are kept beside their hashes.
        file_bytes: size at which a file is rotated; four older ones are kept.
    """

    def __init__(
        self,
        default: Sampling | None = None,
        *,
        with_bytes: bool = False,
        file_bytes: int = _FILE_BYTES,
    ):
        self._default = default
        self._with_bytes = with_bytes
        self._file_bytes = file_bytes
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
            record = request_record(sample.request, sample.response, with_bytes=self._with_bytes)
        finally:
            self._release(sample.size)
        _append(sample.prefix, json.dumps(sample.head | record), self._file_bytes)

    def _release(self, size: int) -> None:
        with self._lock:
            self._waiting_bytes -= size


def _append(prefix: str, line: str, max_bytes: int) -> None:
    """Appends to `PREFIX.jsonl`; older lines are in `PREFIX.1.jsonl`, the next older in 2, ..."""
    files = [Path(f"{prefix}.jsonl")]
    files += [Path(f"{prefix}.{number}.jsonl") for number in range(1, _OLDER_FILES + 1)]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    data = f"{line}\n".encode()
    if len(data) > max_bytes:
        return
    if files[0].exists() and files[0].stat().st_size + len(data) > max_bytes:
        for newer, older in reversed(list(pairwise(files))):
            if newer.exists():
                newer.replace(older)
    with files[0].open("ab") as file:
        file.write(data)


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
