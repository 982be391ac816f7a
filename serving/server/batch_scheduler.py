"""Which requests run together and when: queues of batches that a few threads take turns at."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from serving.server.batching_parameters import BatchingParameters
from serving.server.faults import invalid, unavailable

Task = TypeVar("Task")


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
        self._threads = [
            threading.Thread(
                target=self._work, name=f"{parameters.thread_pool_name}-{number}", daemon=True
            )
            for number in range(parameters.num_batch_threads)
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
                soonest = None
                for kind, queue in self._queues.items():
                    due = self._due(queue)
                    if due <= now:
                        return self._take(kind, queue)
                    soonest = due if soonest is None else min(due, soonest)
                if self._closed:
                    return None
                self._changed.wait(None if soonest is None else soonest - now)

    def _take(self, kind: Hashable, queue: deque[_Batch[Task]]) -> _Batch[Task]:
        batch = queue.popleft()
        if queue:
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
