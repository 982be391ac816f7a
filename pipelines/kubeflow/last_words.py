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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.logs import everything_to, use_root_logger

TERMINATION_LOG = Path("/dev/termination-log")
STATUS = 128 + signal.SIGTERM

_TERMINATION_BYTES = 4096  # what Kubernetes keeps
_SHOWN_CHARACTERS = 160
_NAMES = r"pass(?:word|wd)|secret|token|credential|(?:api|access|private)[_-]?key"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
# In JSON, also in JSON inside JSON, and in flags and queries of URLs.
_SECRET = re.compile(
    rf"""([\w-]*(?:{_NAMES})[\w-]*\\*["']?\s*[:=]\s*)(\\*"[^"]*"|'[^']*'|[^\s,;&"'}}\]]+)""",
    re.IGNORECASE,
)
_end = os._exit  # threads that still work are not waited for
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


@contextlib.contextmanager
def ending_on_sigterm(say: Callable[[str], None]) -> Iterator[None]:
    """Ends this process at once if SIGTERM comes while the block runs; in the main thread.

    A thread of its own hears the signal: Python's handlers wait for native code to return. Blocks
    are not left, as Kubernetes' SIGKILL would not leave them either.

    Args:
        say: called with what happened, as the last that is done.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # without one nobody is woken up
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget)
    thread = threading.Thread(target=_watch, args=(reader, say), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_before)
        signal.signal(signal.SIGTERM, before)
        os.close(writer)  # which ends the thread, or the process: the block may fail by the signal
        thread.join()


def _watch(reader: int, say: Callable[[str], None]) -> None:
    with os.fdopen(reader, "rb", buffering=0) as signals:
        while number := signals.read(1):
            if number[0] == signal.SIGTERM:
                say("stopped by SIGTERM: the pod was deleted or preempted, or took too long")
                _end(STATUS)


def _forget() -> None:
    """A forked process is not this one: what stops it must not end this one over the pipe."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
