"""What is seen of every request, however it comes in: counted, timed, logged."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.access_log import AccessLog
from serving.server.call import Call
from serving.server.faults import Fault, exhausted
from serving.server.metrics import Metrics
from serving.server.request_log import RequestLog

logger = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"  # a gRPC metadata key and an HTTP header
_MAX_REQUEST_ID = 128


@dataclass(frozen=True)
class Observer:
    """Sees every request once."""

    metrics: Metrics = field(default_factory=Metrics)
    access_log: AccessLog | None = None
    request_log: RequestLog | None = None

    def configure(self, config: ModelServerConfig) -> None:
        """Takes the models of a configuration; an InputError if it cannot be logged as it says."""
        if self.request_log:
            self.request_log.configure(config)
        self.metrics.configure(config)

    @contextmanager
    def call(
        self, api: str, method: str, request_id: object = None, peer: str = ""
    ) -> Iterator[Call]:
        """Observes one request from here to the end of the block, which fills in the call.

        An exception that leaves the block is its status, and a Fault: the process answers the next
        request. A `request_id` that is none, or cannot be printed, is replaced by a new one.
        """
        call = Call(api, method, _request_id(request_id), peer)
        try:
            yield call
        except Exception as error:
            fault = _as_fault(error, call.method)
            call.fail(fault.code, fault.details)
            if fault is error:
                raise
            raise fault from error
        except BaseException as error:
            call.fail(grpc.StatusCode.CANCELLED, type(error).__name__)
            raise
        finally:
            self.metrics.count(call)
            if self.access_log:
                self.access_log.write(call)

    def sample(self, call: Call, request: Message, response: Message) -> None:
        """Keeps the request, if chance says so; neither message may be changed afterwards."""
        if self.request_log:
            self.request_log.offer(call, request, response)

    def close(self) -> None:
        """Writes out what is still held."""
        if self.access_log:
            self.access_log.close()
        if self.request_log:
            self.request_log.close()


def batch_size(request: Any) -> int | None:
    """Pictures, points or Examples in a request of any kind; None: it carries none.

    A PredictRequest's is the longest first dimension of its inputs: an input of one value for the
    whole batch may stand beside the batch.
    """
    if "input" in request.DESCRIPTOR.fields_by_name:
        kind = request.input.WhichOneof("kind")
        return len(getattr(request.input, kind).examples) if kind else 0
    if "inputs" in request.DESCRIPTOR.fields_by_name:
        shapes = [tensor.tensor_shape.dim for tensor in request.inputs.values()]
        return max((shape[0].size for shape in shapes if shape), default=None)
    return None


def _as_fault(error: Exception, method: str) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, MemoryError):
        return exhausted("out of memory")
    logger.error("%s failed", method, exc_info=error)
    return Fault(grpc.StatusCode.INTERNAL, f"internal error: {type(error).__name__}")


def _request_id(sent: object) -> str:
    text = sent if isinstance(sent, str) else ""
    proper = 0 < len(text) <= _MAX_REQUEST_ID and text.isascii() and text.isprintable()
    return text if proper else uuid.uuid4().hex
