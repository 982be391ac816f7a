"""SIGTERM: Kubernetes stops a pod that took too long, or whose node is drained or wanted."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

STATUS = 128 + signal.SIGTERM

_GRACE_SECONDS = 5.0  # to leave blocks in; Kubernetes kills after 30


class StopSignal:
    """Ends this process on SIGTERM: by SystemExit, and where that does not end it, anyway.

    Args:
        say: called once with what happened, as the last that is done.
    """

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._ending = threading.Lock()
        self.received = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGTERM over while the block runs; in the main thread."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.signal(signal.SIGTERM, self._raise)
        wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=_forget)
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup_before)
            signal.signal(signal.SIGTERM, before)
            os.close(writer)  # which ends the thread

    def end(self) -> None:
        """Says it and ends the process; threads that still work are not waited for."""
        self._ending.acquire()  # and never released: who comes first ends it
        self._say("stopped by SIGTERM: the pod was deleted or preempted, or took too long")
        os._exit(STATUS)

    def _raise(self, signum: int, frame: FrameType | None) -> None:
        """Python calls this in the main thread, once that is back from native code."""
        del signum, frame
        if not self.received:
            self.received = True
            raise SystemExit(STATUS)

    def _watch(self, reader: int) -> None:
        """Native code that does not return, or code that swallows exceptions, is not waited for."""
        with os.fdopen(reader, "rb", buffering=0) as signals:
            while number := signals.read(1):
                if number[0] == signal.SIGTERM:
                    time.sleep(_GRACE_SECONDS)
                    self.end()


def _forget() -> None:
    """A forked process is not this one: what stops it must not end this one over the pipe."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
