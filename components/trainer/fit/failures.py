"""What TensorFlow says when a training runs out of memory or loses a node, in one line."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from serving.errors import FailedError

# A full disk is a ResourceExhaustedError, too, but no smaller batch helps there.
_MEMORY = re.compile(r"\bOOM\b|out of memory|allocat", re.IGNORECASE)
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


@contextlib.contextmanager
def explained(batch_size: int, replicas: int = 1, workers: int = 1) -> Iterator[None]:
    """Runs a training; tells what went wrong in one line.

    Raises:
        FailedError: out of memory, naming the half of the batch, rounded to what the replicas can
            share, to try; or another node is gone.
    """
    errors = tf.errors
    try:
        yield
    except errors.ResourceExhaustedError as error:
        if not _MEMORY.search(str(error)):
            raise
        half = batch_size // 2 // replicas * replicas
        other = f"trainer.batch_size {half}" if half else "a smaller trainer.image_size or model"
        raise FailedError(
            f"out of memory with trainer.batch_size {batch_size}"
            f"{f' on {replicas} devices' if replicas > 1 else ''}; try {other}"
        ) from error
    # What collectives end with when a node is gone; alone, they would mean something else.
    except (errors.UnavailableError, errors.AbortedError, errors.DeadlineExceededError) as error:
        if workers == 1:
            raise
        names = sorted({f"{kind} {index}" for kind, index in _TASK.findall(str(error))})
        named = f" (TensorFlow names {', '.join(names)})" if names else ""
        raise FailedError(
            f"one of {workers} nodes was lost during training{named}; look for its "
            "own error, then start all nodes again: training goes on after the last whole epoch"
        ) from error
