"""HTTP connections: so many, and each of them in time."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, which does not bound connections and the time for a request's head.

    Args:
        most: connections at a time; one more is closed at once, without a word.
        seconds: from the first byte of a head, or the connection, to the head's end.
    """

    def __init__(self, *arguments: Any, most: int, seconds: float, **named: Any):
        super().__init__(*arguments, **named)
        self._most, self._seconds = most, seconds
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head, or ends it."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Reads on."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing more."""
        super().connection_lost(exc)
        self._stop_watching()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:  # the head is here
            self._stop_watching()
        elif self._late is None:
            self._late = self.loop.call_later(self._seconds, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
