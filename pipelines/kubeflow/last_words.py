"""What a step says: readable log lines, nothing secret in them, and the reason of a failure last.

Kubernetes keeps what a container writes into its termination log; Argo makes it the message of
the step, which Kubeflow Pipelines' UI shows.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.logs import use_root_logger

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
    """Sends every library's log lines to stderr, one form for all, from INFO."""
    use_root_logger()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)


def say_last(words: str) -> None:
    """Ends the log with one line, and leaves it where Kubernetes looks for it.

    Args:
        words: why the step failed.
    """
    line = f"pawlens {redacted(' '.join(words.split()))}"
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
    if TERMINATION_LOG.is_file():
        # The step has failed for another reason already; it is told above in any case.
        with contextlib.suppress(OSError):
            kept = line.encode()[:_TERMINATION_BYTES].decode(errors="ignore")
            TERMINATION_LOG.write_text(kept, encoding="utf-8")


def shown(name: str, value: Any) -> str:
    """A parameter's value for the log: on one line, shortened, secrets left out.

    Args:
        name: the parameter's.
        value: what it was given.
    """
    if _SECRET_NAME.search(name):
        return "***"
    text = redacted(" ".join(str(value).split()))
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"
    return text


def redacted(text: str) -> str:
    """The text without values that are secret by their names, and without users in URLs."""
    return _USER_IN_URL.sub("://***@", _SECRET.sub(r"\1***", text))
