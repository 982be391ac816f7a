"""What a step says: readable log lines, nothing secret in them, and the reason of a failure last.

Kubernetes keeps what a container writes into its termination log; Argo makes it the message of
the step, which Kubeflow Pipelines' UI shows. By SIGTERM it stops a pod that took too long, or whose
node is drained or wanted.
"""

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from pipelines.logs import everything_to, use_root_logger

TERMINATION_LOG = Path("/dev/termination-log")
STATUS = 128 + signal.SIGTERM

_TERMINATION_BYTES = 4096  # what Kubernetes keeps
_SHOWN_CHARACTERS = 160
_GRACE_SECONDS = 5.0  # after SIGTERM, to leave blocks in; Kubernetes kills after 30
_NAMES = r"pass(?:word|wd)|secret|token|credential|(?:api|access|private)[_-]?key"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
# In JSON, also in JSON inside JSON, and in flags and queries of URLs.
_SECRET = re.compile(
    rf"""([\w-]*(?:{_NAMES})[\w-]*\\*["']?\s*[:=]\s*)(\\*"[^"]*"|'[^']*'|[^\s,;&"'}}\]]+)""",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"://[^/\s@\"']+@")


@contextlib.contextmanager
def readable_logs() -> Iterator[None]:
    """Sends what every library logs to stderr, which is the pod's log."""
    use_root_logger()
    with everything_to(sys.stderr):
        yield


def say_last(words: str) -> None:
    """Ends the log with one line, and leaves it where Kubernetes looks for it."""
    line = f"pawlens {redacted(' '.join(words.split()))}"
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
    if TERMINATION_LOG.is_file():
        # The step has failed for another reason already; it is told above in any case.
        with contextlib.suppress(OSError):
            kept = line.encode()[:_TERMINATION_BYTES].decode(errors="ignore")
            TERMINATION_LOG.write_text(kept, encoding="utf-8")


def shown(name: str, value: Any) -> str:
    """A parameter's value for the log: on one line, shortened, secrets left out."""
    if _SECRET_NAME.search(name):
        return "***"
    text = redacted(" ".join(str(value).split()))
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"
    return text


def redacted(text: str) -> str:
    """The text without values that are secret by their names, and without users in URLs."""
    return _USER_IN_URL.sub("://***@", _SECRET.sub(r"\1***", text))


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
