"""Start and graceful end of the embedded server."""

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from serving.errors import InputError
from serving.server.options import parse_flags

# After the grace period, for what is left to do. With the default of the flag the process is gone
# within 30 s, when Kubernetes and others kill.
_SECONDS_TO_END = 4.0
# TensorFlow imports one of them, where it can, for optimizers in the object graph of a SavedModel,
# which a session does not look at: with all of Keras, 5 of 11 s and 160 of 743 MiB.
_KERAS = ("keras.src.optimizers", "tf_keras.src.optimizers")


def main(argv: Sequence[str] | None = None) -> int:
    """The process's exit status: as of `serve`, 2 for wrong flags."""
    try:
        return serve(sys.argv[1:] if argv is None else argv)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2


def serve(argv: Sequence[str]) -> int:
    """Serves until SIGTERM or SIGINT. Has to run in the main thread, which takes signals.

    Returns:
        0 after a graceful end, 1 if a model has no version that loads.
    """
    options = parse_flags(argv)
    stop, started = threading.Event(), threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            os._exit(130)  # asked for twice at the keyboard
        stop.set()
        if not started.is_set():
            raise SystemExit(0)  # nobody is being answered yet

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if options.stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    threading.Thread(
        target=_end_in_any_case, args=(stop, options.shutdown_grace_seconds), daemon=True
    ).start()
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in options.ignored:
        logging.warning("--%s has no effect here", name)

    _import_tensorflow()
    from serving.server.running import run

    return run(options, started, stop)


class _OneLine(logging.Formatter):
    """A line for each record, whatever a client has put into it; tracebacks follow indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return "\n".join(f"    {_plain(line)}" for line in super().formatException(ei).split("\n"))


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    # Unbuffered, on the descriptor: a reader in sys.stdin would hold its lock at interpreter exit.
    while os.read(0, 4096):
        pass
    stop.set()


def _end_in_any_case(stop: threading.Event, grace_seconds: float) -> None:
    # A request or a load that takes too long holds a thread, and Python would wait for it.
    stop.wait()
    time.sleep(grace_seconds + _SECONDS_TO_END)
    logging.getLogger(__name__).warning("not everything ended in time")
    logging.shutdown()
    os._exit(0)


def _import_tensorflow() -> None:
    """Quietly, unless the user asked for its notes by TF_CPP_MIN_LOG_LEVEL."""
    quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Some notes are written before TensorFlow reads that variable.
    with _stderr_held_back() if quiet else nullcontext(), _without(_KERAS):
        import tensorflow as tf

        tf.get_logger().setLevel(logging.ERROR)
        tf.config.list_physical_devices()  # looks for a GPU, and complains when there is none


@contextmanager
def _without(names: Iterable[str]) -> Iterator[None]:
    """Lets imports of modules fail in the block, but of those that are there already."""
    modules = cast(dict[str, Any], sys.modules)
    blocked = [name for name in names if modules.setdefault(name, None) is None]
    try:
        yield
    finally:
        for name in blocked:
            del modules[name]


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Drops what the process writes to stderr, or writes it after all when the block fails."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
