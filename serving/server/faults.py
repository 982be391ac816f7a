"""What a request can fail with."""

from functools import partial

import grpc

# TensorFlow Serving cuts its messages there, in bytes: they travel in a header of limited size.
_MAX_DETAILS = 1024


class Fault(Exception):
    """A request that cannot be answered.

    Args:
        code: the gRPC status.
        details: one line for the caller.
        http_status: over REST, where the transport has one of its own; None: the code's.
    """

    def __init__(self, code: grpc.StatusCode, details: str, http_status: int | None = None):
        super().__init__(details)
        self.code = code
        self.details = details
        self.http_status = http_status
        if len(encoded := details.encode(errors="replace")) > _MAX_DETAILS:
            self.details = encoded[:_MAX_DETAILS].decode(errors="ignore") + "...TRUNCATED"


class ModelFault(Fault):
    """What the model itself failed with, on inputs that fit its signature."""


invalid = partial(Fault, grpc.StatusCode.INVALID_ARGUMENT)
not_found = partial(Fault, grpc.StatusCode.NOT_FOUND)
failed_precondition = partial(Fault, grpc.StatusCode.FAILED_PRECONDITION)
exhausted = partial(Fault, grpc.StatusCode.RESOURCE_EXHAUSTED)
unimplemented = partial(Fault, grpc.StatusCode.UNIMPLEMENTED)
unavailable = partial(Fault, grpc.StatusCode.UNAVAILABLE)


def from_number(number: int, details: str) -> ModelFault:
    """A model's failure with TensorFlow's error code, which are gRPC's status codes."""
    codes = {code.value[0]: code for code in grpc.StatusCode}
    return ModelFault(codes.get(number, grpc.StatusCode.UNKNOWN), details)
