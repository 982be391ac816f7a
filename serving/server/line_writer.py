"""Lines written by a thread of their own: a slow disk or a full pipe holds up no request."""

import logging
import os
import queue
import stat
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_STDERR = 2
_FLUSH_SECONDS = 5.0
FILE_BYTES, _OLDER_FILES = 64 * 2**20, 4  # a file is rotated when it would grow beyond that


class LogFile:
    """A file that is appended to; older lines are in `NAME.1.SUFFIX`, the next older in 2, ...

    Args:
        path: a file, or a pipe or device, which is never rotated; an OSError if it cannot be. None:
            standard error.
        mode: of a new file: who may read it.
    """

    def __init__(self, path: Path | None, mode: int):
        self._path, self._mode = path, mode
        self._descriptor = self._open()

    def append(self, data: bytes) -> None:
        """Writes all of it; what is more than a file may hold is left out."""
        if len(data) > FILE_BYTES:
            return
        found = os.fstat(self._descriptor)
        if self._path and stat.S_ISREG(found.st_mode) and found.st_size + len(data) > FILE_BYTES:
            self._rotate(self._path)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def close(self) -> None:
        """To be called once."""
        os.close(self._descriptor)

    def _open(self) -> int:
        if self._path is None:
            return os.dup(_STDERR)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, self._mode)

    def _rotate(self, path: Path) -> None:
        older = [path.with_suffix(f".{n}{path.suffix}") for n in range(1, _OLDER_FILES + 1)]
        for newer, old in reversed(list(pairwise([path, *older]))):
            if newer.exists():
                newer.replace(old)
        os.close(self._descriptor)
        self._descriptor = self._open()


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
