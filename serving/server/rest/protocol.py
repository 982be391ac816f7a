"""HTTP connections: so many, and each of them in time and within its share of work and memory."""

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Bytes that are read at a time. Where they take long, like chunks of one byte each, it is the
# least: the others have their turn in between.
_LEAST_PIECE, _LARGEST_PIECE = 1024, 2**16
_LONG_SECONDS = 0.002  # of processor time


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, which bounds neither connections nor what each takes.

    Args:
        most: connections at a time; one more is closed at once, without a word.
        seconds: from the first byte of a head, or the connection, to the head's end; and from an
            answer to its being read.
        most_bytes: of all answers that wait to be read; beyond, the largest goes.
    """

    transport: Any  # asyncio's: its type does not tell `max_size`

    def __init__(self, *arguments: Any, most: int, seconds: float, most_bytes: int, **named: Any):
        super().__init__(*arguments, **named)
        self._most, self._seconds, self._most_bytes = most, seconds, most_bytes
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head, or ends it."""
        super().connection_made(transport)
        self.transport.max_size = 4 * _LEAST_PIECE
        if len(self.connections) > self._most:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Reads on."""
        before = time.thread_time()
        super().data_received(data)
        quick = time.thread_time() - before < _LONG_SECONDS
        piece = min(2 * self.transport.max_size, _LARGEST_PIECE) if quick else _LEAST_PIECE
        self.transport.max_size = piece
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Ends the connection: with an answer, unless there is one already."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # what it says comes too late
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """Waits for the answer to be read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._seconds, self.transport.abort)
        sizes = {one: one.transport.get_write_buffer_size() for one in self.connections}
        while sum(sizes.values()) > self._most_bytes:
            largest = max(sizes, key=sizes.__getitem__)
            largest.transport.abort()
            del sizes[largest]

    def resume_writing(self) -> None:
        """Nearly all of it is read."""
        super().resume_writing()
        self._stop_watching("_unread")

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing more."""
        super().connection_lost(exc)
        self._stop_watching("_late", "_unread")

    def _watch(self) -> None:
        # After an early answer the rest of a body may come, but not for ever.
        if self.conn.their_state is not h11.IDLE and self.conn.our_state is not h11.DONE:
            self._stop_watching("_late")
        elif self._late is None:
            self._late = self.loop.call_later(self._seconds, self.transport.abort)

    def _stop_watching(self, *timers: str) -> None:
        for name in timers:
            if timer := getattr(self, name):
                timer.cancel()
            setattr(self, name, None)
