"""The way of one request through a method: bytes in, bytes or a status out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from serving.server.call import Call
from serving.server.faults import Fault, invalid
from serving.server.observer import REQUEST_ID, Observer

# Tells gRPC's own retries to leave it: the same request would be as large a second time.
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")

Request = TypeVar("Request", bound=Message)


@dataclass(frozen=True)
class GrpcMethod(Generic[Request]):
    """A unary gRPC method; a response has at most `max_bytes`, unless these are negative."""

    name: str
    request_type: type[Request]
    answer: Callable[[Request, Call], Message]
    observer: Observer
    max_bytes: int

    def handle(self, wire: bytes, context: grpc.ServicerContext) -> bytes | None:
        """Answers, or aborts with a status; nothing else leaves it."""
        try:
            with self.observer.call("grpc", self.name, _request_id(context)) as call:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                _expect_somebody(call, context)
                return self._response(wire, call)
        except Fault as fault:
            if fault.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id), _DO_NOT_RETRY))
            context.abort(fault.code, fault.details)  # raises
            return None

    def _response(self, wire: bytes, call: Call) -> bytes:
        try:
            request = self.request_type.FromString(wire)
        except DecodeError as error:
            kind = self.request_type.DESCRIPTOR.name
            raise invalid(f"the request is no {kind}: {error}") from error
        response = self.answer(request, call).SerializeToString()
        if 0 <= self.max_bytes < len(response):
            raise Fault(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the answer takes {len(response)} bytes, at most {self.max_bytes} are sent",
            )
        return response


def _expect_somebody(call: Call, context: grpc.ServicerContext) -> None:
    """Refuses to start for nobody (a Fault); notes in the call until when somebody waits."""
    remaining = context.time_remaining()
    if remaining is not None:
        if remaining <= 0:
            raise Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        call.deadline = time.monotonic() + remaining

    def nobody_waits() -> None:
        call.deadline = time.monotonic()

    if not context.add_callback(nobody_waits):
        raise Fault(grpc.StatusCode.CANCELLED, "Cancelled")


def _request_id(context: grpc.ServicerContext) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID:
            return value if isinstance(value, str) else None
    return None
