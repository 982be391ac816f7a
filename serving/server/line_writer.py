"""Lines written by a thread of their own: a slow disk or a full pipe holds up no request."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_FLUSH_SECONDS = 5.0


class LineWriter(Generic[Item]):
    """Writes items, in order, outside the requests.

    Args:
        name: the thread's, and what a warning is about.
        write: writes one item, in the thread; what it raises is told once, and the item is lost.
        capacity: items that may wait; those beyond are dropped.
    """

    def __init__(self, name: str, write: Callable[[Item], None], capacity: int):
        self._name, self._write = name, write
        self._queue: queue.Queue[Item | None] = queue.Queue(capacity)
        self._warned = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Takes an item without waiting; whether there was room."""
        if self._closed:
            return False
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self._warn("is behind, lines are left out")
            return False
        return True

    def close(self) -> None:
        """Writes what waits, within a few seconds."""
        self._closed = True
        try:
            self._queue.put(None, timeout=_FLUSH_SECONDS)
        except queue.Full:
            return  # what it writes to takes nothing
        self._thread.join(_FLUSH_SECONDS)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(item)
            except OSError as error:
                self._warn(f"cannot be written: {error}")
            except Exception as error:  # noqa: BLE001 - one odd request must not end the log
                self._warn(f"lost a line: {error!r}")
            # The next wait may be long, and would keep this request in memory.
            del item

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("the %s %s (told once)", self._name, what)
