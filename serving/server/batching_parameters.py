"""How requests are batched: the fields of TensorFlow Serving's `--batching_parameters_file`."""

import os
from dataclasses import dataclass, field
from typing import Any

from serving.errors import InputError

# Fields of the file that are messages with one value.
_WRAPPED = (
    "max_batch_size",
    "batch_timeout_micros",
    "max_enqueued_batches",
    "num_batch_threads",
    "thread_pool_name",
)


@dataclass(frozen=True)
class BatchingParameters:
    """Sizes, times and threads; defaults are those of TensorFlow Serving.

    Attributes:
        max_batch_size: rows of a batch at most; a larger request is refused.
        batch_timeout_micros: how long the first request of a batch may wait for others while a
            thread is free. 0: a batch forms only of what comes in while all threads are busy.
        max_enqueued_batches: batches of one kind that may wait; further requests are refused.
        num_batch_threads: batches that run at a time.
        allowed_batch_sizes: batches are filled up to the next of these sizes by repeating a row;
            ascending, ends with `max_batch_size`. Empty: any size.
        pad_variable_length_inputs: whether inputs of different sizes beyond the 0th dimension
            go together, filled up with their own first element.
        thread_pool_name: what metrics call the threads.

    Raises:
        InputError: a value out of range.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    thread_pool_name: str = "batch_threads"

    def __post_init__(self) -> None:
        for name in _WRAPPED[:4]:
            found, least = getattr(self, name), int(name != "batch_timeout_micros")
            if found < least:
                what, expected = f"batching parameter {name}", f"{least} or more"
                raise InputError(what, expected=expected, found=str(found))
        sizes = self.allowed_batch_sizes
        rising = all(a < b for a, b in zip((0, *sizes), sizes, strict=False))
        if sizes and not (rising and sizes[-1] == self.max_batch_size):
            raise InputError(
                "batching parameter allowed_batch_sizes",
                expected=f"ascending from 1, the last one max_batch_size ({self.max_batch_size})",
                found=", ".join(map(str, sizes)),
            )

    @classmethod
    def from_proto(cls, message: Any) -> "BatchingParameters":
        """Reads the fields that are set."""
        return cls(
            allowed_batch_sizes=tuple(message.allowed_batch_sizes),
            pad_variable_length_inputs=message.pad_variable_length_inputs,
            **{name: getattr(message, name).value for name in _WRAPPED if message.HasField(name)},
        )

    def padded(self, size: int) -> int:
        """The size that a batch of so many rows is filled up to."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)
