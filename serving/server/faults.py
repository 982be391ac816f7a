"""What a request can fail with."""

import grpc

# TensorFlow Serving cuts its messages there: they travel in a header of limited size.
_MAX_DETAILS = 1024


class Fault(Exception):
    """A request that cannot be answered.

    Args:
        code: the gRPC status.
        details: one line for the caller.
    """

    def __init__(self, code: grpc.StatusCode, details: str):
        super().__init__(details)
        self.code = code
        self.details = details
        if len(details) > _MAX_DETAILS:
            self.details = details[:_MAX_DETAILS] + "...TRUNCATED"


class ModelFault(Fault):
    """What the model itself failed with, on inputs that fit its signature."""


def invalid(details: str) -> Fault:
    """A fault of the request itself."""
    return Fault(grpc.StatusCode.INVALID_ARGUMENT, details)


def from_number(number: int, details: str) -> ModelFault:
    """A model's failure with TensorFlow's error code, which are gRPC's status codes."""
    codes = {code.value[0]: code for code in grpc.StatusCode}
    return ModelFault(codes.get(number, grpc.StatusCode.UNKNOWN), details)
