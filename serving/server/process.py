"""How this process is set up: TensorFlow without its notes, and Python for many threads."""

import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_SWITCH_SECONDS = 0.0005


def import_tensorflow() -> None:
    """Imports TensorFlow quietly, unless the user asked for its notes by TF_CPP_MIN_LOG_LEVEL."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        _import()
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    # Some notes are written before TensorFlow reads that variable.
    with _stderr_held_back():
        _import()


def _import() -> None:
    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)
    tf.config.list_physical_devices()  # looks for a GPU, and complains when there is none


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


def keep_requests_moving() -> None:
    """Keeps the loading and unloading of versions from holding up requests.

    To be called once the modules are imported. Loading builds a graph in Python for seconds. Each
    time a request then wants the interpreter's lock it waits for the switch interval, 5 ms by
    default, and it wants it many times. And the garbage collector, which unloading runs, need not
    look through all of TensorFlow's modules every time.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
