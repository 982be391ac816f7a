"""Lines written by a thread of their own: a slow disk or a full pipe holds up no request."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_FLUSH_SECONDS = 5.0
_AT_ONCE = 256


class LineWriter(Generic[Item]):
    """Turns items into lines and writes them, in order, outside the requests.

    Args:
        name: the thread's, and what a warning is about.
        render: item -> the file it belongs to and its line without the line's end.
        write: takes a file and lines for it. Both run in the thread; what they raise is told once,
            and the lines are lost.
        capacity: items that may wait; those beyond are dropped.
    """

    def __init__(
        self,
        name: str,
        render: Callable[[Item], tuple[str, str]],
        write: Callable[[str, list[str]], None],
        capacity: int,
    ):
        self._name, self._render, self._write = name, render, write
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
        if self._closed:
            return
        self._closed = True
        try:
            self._queue.put(None, timeout=_FLUSH_SECONDS)
        except queue.Full:
            return  # what it writes to takes nothing
        self._thread.join(_FLUSH_SECONDS)

    def _work(self) -> None:
        ended = False
        while not ended:
            items = [self._queue.get()]
            with suppress(queue.Empty):
                while len(items) < _AT_ONCE and items[-1] is not None:
                    items.append(self._queue.get_nowait())
            ended = items[-1] is None
            self._finish([item for item in items if item is not None])
            # The next wait may be long, and would keep these requests in memory.
            items.clear()

    def _finish(self, items: list[Item]) -> None:
        lines: dict[str, list[str]] = {}
        for item in items:
            try:
                file, line = self._render(item)
            except Exception as error:  # noqa: BLE001 - one odd request must not end the log
                self._warn(f"lost a line: {error!r}")
            else:
                lines.setdefault(file, []).append(line)
        for file, own in lines.items():
            try:
                self._write(file, own)
            except OSError as error:
                self._warn(f"cannot be written: {error}")

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("the %s %s (told once)", self._name, what)
