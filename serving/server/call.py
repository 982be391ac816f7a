"""One request while it is answered."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc

from serving.server.faults import Fault

_MAX_TEXT = 500  # of a name or message that came from outside


@dataclass
class Call:
    """One request while it is answered; whoever knows a field fills it in."""

    api: str  # `grpc` or `rest`
    method: str  # as the API names it: `Predict`, `GetModelStatus`; `predict`, `status`
    request_id: str  # the caller's own or a new one; goes back to the caller
    peer: str = ""  # address that it came from
    model: str = ""
    version: int | None = None  # of the model that answered
    signature: str = ""
    batch_size: int | None = None  # images, points or Examples in the request
    status: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    run_seconds: float | None = None  # inside the model; None: it did not run
    deadline: float | None = None  # as `time.monotonic()`, after which nobody waits; None: no limit
    arrived: float = field(default_factory=time.time)  # seconds since the epoch
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

    def wanted(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self.deadline is None or time.monotonic() < self.deadline

    def leave(self) -> None:
        """Notes that nobody waits any more."""
        self.deadline = time.monotonic()

    def go_on(self) -> None:
        """Between two stages of the work; a Fault (DEADLINE_EXCEEDED) if nobody waits any more."""
        if not self.wanted():
            raise Fault(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def told(self) -> dict[str, Any]:
        """What both logs tell of it first."""
        moment = datetime.fromtimestamp(self.arrived, UTC).isoformat(timespec="milliseconds")
        return {
            "time": moment.replace("+00:00", "Z"),
            "request_id": self.request_id,
            "api": self.api,
            "method": self.method,
            "model": self.model[:_MAX_TEXT] or None,
            "version": self.version,
            "signature": self.signature[:_MAX_TEXT] or None,
            "batch_size": self.batch_size,
            "ms": round(self.seconds * 1e3, 3),
        }

    def fail(self, code: grpc.StatusCode, details: str) -> None:
        """Notes that the request is not answered as asked."""
        self.status, self.details = code, details[:_MAX_TEXT]
