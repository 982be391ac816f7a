"""What TensorFlow says when a training runs out of memory or loses a node, in one line."""

import contextlib
import re
from collections.abc import Iterator

from serving.errors import FailedError

# A full disk is a ResourceExhaustedError, too, but no smaller batch helps there.
_MEMORY = re.compile(r"\bOOM\b|out of memory|allocat", re.IGNORECASE)
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


def oom_advice(batch_size: int, replicas: int = 1) -> str:
    """What to try after running out of memory.

    Half of the batch, rounded to what the replicas can share; if there is none, smaller examples.
    """
    half = batch_size // 2 // replicas * replicas
    if not half:
        return "try a smaller trainer.image_size, or a smaller model"
    return f"try trainer.batch_size {half}"


@contextlib.contextmanager
def explained(batch_size: int, replicas: int = 1, workers: int = 1) -> Iterator[None]:
    """Runs a training; tells what went wrong in one line.

    Raises:
        FailedError: out of memory, naming the batch size to try; or another node is gone.
    """
    import tensorflow as tf

    # What collectives end with when a node is gone; alone, they would mean something else.
    lost: tuple[type[Exception], ...] = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.DeadlineExceededError,
    )
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if not _MEMORY.search(str(error)):
            raise
        raise FailedError(
            f"out of memory with trainer.batch_size {batch_size}"
            f"{f' on {replicas} devices' if replicas > 1 else ''}; "
            f"{oom_advice(batch_size, replicas)}"
        ) from error
    except lost as error:
        if workers == 1:
            raise
        raise FailedError(
            f"one of {workers} nodes was lost during training{_named(str(error))}; look for its "
            "own error, then start all nodes again: training goes on after the last whole epoch"
        ) from error


def _named(message: str) -> str:
    names = sorted({f"{kind} {index}" for kind, index in _TASK.findall(message)})
    return f" (TensorFlow names {', '.join(names)})" if names else ""
