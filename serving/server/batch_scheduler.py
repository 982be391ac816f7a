"""Which requests run together and when: queues of batches that a few threads take turns at."""

import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from serving.errors import InputError
from serving.server.faults import invalid, unavailable

Task = TypeVar("Task")


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
        one_or_more = ("max_batch_size", "max_enqueued_batches", "num_batch_threads")
        for name, least in {**dict.fromkeys(one_or_more, 1), "batch_timeout_micros": 0}.items():
            if (found := getattr(self, name)) < least:
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
        """Reads the fields that are set; most are messages with one value."""
        given = {one.name: getattr(value, "value", value) for one, value in message.ListFields()}
        sizes = tuple(given.pop("allowed_batch_sizes", ()))
        return cls(allowed_batch_sizes=sizes, **given)

    def padded(self, size: int) -> int:
        """The size that a batch of so many rows is filled up to."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


@dataclass
class _Batch(Generic[Task]):
    opened: float  # seconds, as time.monotonic tells it
    tasks: list[Task] = field(default_factory=list)
    size: int = 0


class BatchScheduler(Generic[Task]):
    """Collects tasks of one kind into batches, with the rules of TensorFlow Serving.

    Each kind has a queue of batches of its own. The last one is open: it takes tasks until it is
    full, or until a thread is free once `batch_timeout_micros` have passed. Threads go round the
    kinds, one batch each.

    Args:
        parameters: sizes, times and number of threads.
        process: runs one batch; it must answer all of its tasks and raise nothing.
    """

    def __init__(self, parameters: BatchingParameters, process: Callable[[list[Task]], None]):
        self._parameters = parameters
        self._process = process
        self._timeout = parameters.batch_timeout_micros / 1e6
        self._changed = threading.Condition()
        # Only kinds with something in them; the one whose turn is next comes first.
        self._queues: OrderedDict[Hashable, deque[_Batch[Task]]] = OrderedDict()
        self._closed = False
        name, numbers = parameters.thread_pool_name, range(parameters.num_batch_threads)
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in numbers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, kind: Hashable, task: Task, size: int) -> None:
        """Queues a task of so many rows, to be processed once, with others of its kind.

        Raises:
            Fault: it is larger than a batch may be (INVALID_ARGUMENT), the queue of its kind is
                full or the scheduler closed (UNAVAILABLE).
        """
        limit, most = self._parameters.max_batch_size, self._parameters.max_enqueued_batches
        if size > limit:
            raise invalid(f"Task size {size} is larger than maximum input batch size {limit}")
        with self._changed:
            if self._closed:
                raise unavailable("the batch scheduler is closed")
            queue = self._queues.setdefault(kind, deque())
            if not queue or queue[-1].size + size > limit:
                if len(queue) >= most:
                    raise unavailable(
                        "The batch scheduling queue to which this task was submitted is full;"
                        f" currently {len(queue)} batches enqueued"
                        f" and max_enqueued_batches is {most}"
                    )
                queue.append(_Batch(time.monotonic()))
            queue[-1].tasks.append(task)
            queue[-1].size += size
            self._changed.notify()

    def close(self) -> None:
        """Runs what is queued and ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._process(batch.tasks)
            # Held until the next one, a batch would keep its pictures in memory.
            del batch

    def _next(self) -> _Batch[Task] | None:
        """Waits for a batch whose time has come; None: closed, and nothing is left."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = {kind: self._due(queue) for kind, queue in self._queues.items()}
                for kind, moment in due.items():
                    if moment <= now:
                        return self._take(kind)
                if self._closed:
                    return None
                self._changed.wait(min(due.values()) - now if due else None)

    def _take(self, kind: Hashable) -> _Batch[Task]:
        batch = self._queues[kind].popleft()
        if self._queues[kind]:
            self._queues.move_to_end(kind)
        else:
            # Requests choose the kinds: one that is kept for good would be a leak.
            del self._queues[kind]
        if self._queues:
            # While this thread is busy another has to watch the time of what remains.
            self._changed.notify()
        return batch

    def _due(self, queue: deque[_Batch[Task]]) -> float:
        """When the first batch may run, in seconds."""
        first = queue[0]
        if self._closed or len(queue) > 1 or first.size >= self._parameters.max_batch_size:
            return 0.0
        return first.opened + self._timeout
