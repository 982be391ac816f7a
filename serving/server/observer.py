"""What is seen of every request, however it comes in: counted, timed, logged."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message

from serving.server.access_log import AccessLog
from serving.server.faults import Fault
from serving.server.metrics import Metrics
from serving.server.request_log import RequestLog

REQUEST_ID = "x-request-id"  # a gRPC metadata key and an HTTP header
_MAX_REQUEST_ID = 128


@dataclass
class Call:
    """One request while it is answered; whoever knows a field fills it in.

    Attributes:
        api: `grpc` or `rest`.
        method: as the API names it: `Predict`, `GetModelStatus`; `predict`, `status`.
        request_id: the caller's own or a new one; goes back to the caller.
        model: the name asked for.
        version: the version that answered.
        signature: the signature that ran.
        batch_size: pictures, points or Examples in the request.
        status: what the caller is answered with.
        details: the message beside a status other than OK.
        run_seconds: time inside the model; None: it did not run.
        deadline: `time.monotonic()` after which nobody waits for the answer; None: no limit.
        sampled: whether the request log was asked already.
        arrived: seconds since the epoch.
        started: `time.perf_counter()` of the same moment.
    """

    api: str
    method: str
    request_id: str
    model: str = ""
    version: int | None = None
    signature: str = ""
    batch_size: int | None = None
    status: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    run_seconds: float | None = None
    deadline: float | None = None
    sampled: bool = False
    arrived: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Time since the request came in."""
        return time.perf_counter() - self.started

    @contextmanager
    def running(self) -> Iterator[None]:
        """Times the model itself."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self.run_seconds = (self.run_seconds or 0.0) + time.perf_counter() - before

    def fail(self, code: grpc.StatusCode, details: str) -> None:
        """Notes that the request is not answered as asked."""
        self.status, self.details = code, details


class Observer:
    """Sees every request once.

    Args:
        metrics: counts and latencies; None: new ones.
        access_log: one line a request; None: none is written.
        request_log: sampled requests with their answers; None: none are kept.
    """

    def __init__(
        self,
        metrics: Metrics | None = None,
        access_log: AccessLog | None = None,
        request_log: RequestLog | None = None,
    ):
        self.metrics = metrics or Metrics()
        self.request_log = request_log
        self._access_log = access_log

    @contextmanager
    def call(self, api: str, method: str, request_id: str | None = None) -> Iterator[Call]:
        """Observes one request from here to the end of the block.

        Args:
            api: `grpc` or `rest`.
            method: as the API names it.
            request_id: what the caller sent; None or something unprintable: a new one.

        Yields:
            To be filled in. An exception that leaves the block is its status.
        """
        call = Call(api, method, _request_id(request_id))
        try:
            yield call
        except Fault as fault:
            call.fail(fault.code, fault.details)
            raise
        except BaseException as error:
            call.fail(grpc.StatusCode.INTERNAL, type(error).__name__)
            raise
        finally:
            self.metrics.count(call)
            if self._access_log:
                self._access_log.write(call)

    def sample(self, call: Call, request: Message, response: Message) -> None:
        """Keeps the request if chance says so; returns at once and never fails.

        Args:
            call: the request as seen so far; asked again for the same one, nothing happens.
            request: a PredictRequest, ClassificationRequest or RegressionRequest.
            response: its answer. Neither may be changed afterwards.
        """
        if self.request_log and not call.sampled:
            call.sampled = True
            self.request_log.offer(call, request, response)

    def close(self) -> None:
        """Writes out what is still held."""
        if self._access_log:
            self._access_log.close()
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


def _request_id(sent: str | None) -> str:
    if sent and len(sent) <= _MAX_REQUEST_ID and sent.isascii() and sent.isprintable():
        return sent
    return uuid.uuid4().hex
