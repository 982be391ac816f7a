"""What a step says: readable log lines, nothing secret in them, and the reason of a failure last.

Kubernetes keeps what a container writes into its termination log; Argo makes it the message of
the step, which Kubeflow Pipelines' UI shows.
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.logs import everything_to, use_root_logger

TERMINATION_LOG = Path("/dev/termination-log")

_TERMINATION_BYTES = 4096  # what Kubernetes keeps
_SHOWN_CHARACTERS = 160
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
