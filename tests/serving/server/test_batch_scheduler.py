"""Which tasks run together, when, and which are refused."""

import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving.server.batch_scheduler import BatchingParameters, BatchScheduler

SECONDS = 30


@dataclass
class Task:
    name: str
    done: threading.Event = field(default_factory=threading.Event)


class Recorder:
    """A scheduler, and the names of the tasks of each batch that it ran."""

    def __init__(self, **parameters: int):
        self.batches: list[list[str]] = []
        self.gates: dict[str, threading.Event] = {}
        self.scheduler: BatchScheduler[Task] = BatchScheduler(
            BatchingParameters(**parameters), self._process
        )

    def _process(self, tasks: list[Task]) -> None:
        self.batches.append([task.name for task in tasks])
        for task in tasks:
            if task.name in self.gates:
                assert self.gates[task.name].wait(SECONDS)
            task.done.set()

    def submit(self, name: str, size: int = 1, kind: Hashable = "kind") -> Task:
        task = Task(name)
        self.scheduler.submit(kind, task, size)
        return task

    @contextmanager
    def busy(self, name: str = "first", kind: Hashable = "kind") -> Iterator[None]:
        """One thread is held up by a task of that name as long as the block lasts."""
        self.gates[name] = threading.Event()
        self.submit(name, kind=kind)
        _until(lambda: [name] in self.batches)
        try:
            yield
        finally:
            self.gates[name].set()


@contextmanager
def recording(**parameters: int) -> Iterator[Recorder]:
    recorder = Recorder(**parameters)
    try:
        yield recorder
    finally:
        recorder.scheduler.close()


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_batches_are_filled_in_order() -> None:
    with recording(num_batch_threads=1, max_batch_size=4) as recorder:
        with recorder.busy():
            for name, size in zip("abcde", (2, 2, 3, 2, 2), strict=True):
                recorder.submit(name, size)
        recorder.scheduler.close()
        assert recorder.batches == [["first"], ["a", "b"], ["c"], ["d", "e"]]


def test_kinds_take_turns() -> None:
    with recording(num_batch_threads=1, max_batch_size=1) as recorder:
        with recorder.busy(kind=1):
            for kind, names in ((1, "abc"), (2, "de"), (3, "f")):
                for name in names:
                    recorder.submit(name, kind=kind)
        recorder.scheduler.close()
        assert recorder.batches == [["first"], ["a"], ["d"], ["f"], ["b"], ["e"], ["c"]]


def test_an_open_batch_waits_up_to_the_timeout() -> None:
    limits = {"max_batch_size": 3, "num_batch_threads": 2}
    with recording(batch_timeout_micros=100_000, **limits) as recorder:
        start = time.monotonic()
        first = recorder.submit("a")
        time.sleep(0.02)
        second = recorder.submit("b")
        assert first.done.wait(SECONDS)
        assert time.monotonic() - start >= 0.1
        assert second.done.wait(SECONDS)
        assert recorder.batches == [["a", "b"]]


def test_a_full_batch_does_not_wait() -> None:
    limits = {"max_batch_size": 3, "num_batch_threads": 2}
    with recording(batch_timeout_micros=10**10, **limits) as recorder:
        recorder.submit("a", 1)
        assert recorder.submit("b", 2).done.wait(SECONDS)
        closed_by_next = recorder.submit("c", 2)
        waiting = recorder.submit("d", 2)
        assert closed_by_next.done.wait(SECONDS)
        assert not waiting.done.wait(0.05)
        recorder.scheduler.close()
        assert waiting.done.is_set()
        assert recorder.batches == [["a", "b"], ["c"], ["d"]]


def test_two_timeouts_run_out_though_the_first_batch_takes_long() -> None:
    with recording(num_batch_threads=2, batch_timeout_micros=50_000) as recorder:
        # One thread watches the time of both; once it works, the other has to take over.
        recorder.gates["slow"] = threading.Event()
        recorder.submit("slow", kind=1)
        time.sleep(0.01)
        later = recorder.submit("later", kind=2)
        assert later.done.wait(SECONDS)
        recorder.gates["slow"].set()


def test_a_full_queue_refuses(fault_of) -> None:
    limits = {"num_batch_threads": 1, "max_batch_size": 2, "max_enqueued_batches": 2}
    with recording(**limits) as recorder:
        with recorder.busy():
            for name in "abc":
                recorder.submit(name)
            assert fault_of(lambda: recorder.submit("large", 2)) == (
                "UNAVAILABLE",
                "The batch scheduling queue to which this task was submitted is full;"
                " currently 2 batches enqueued and max_enqueued_batches is 2",
            )
            last = recorder.submit("d")  # there is room for one more row
            assert fault_of(lambda: recorder.submit("e"))[0] == "UNAVAILABLE"
            told = "Task size 3 is larger than maximum input batch size 2"
            assert fault_of(lambda: recorder.submit("g", 3)) == ("INVALID_ARGUMENT", told)
            recorder.submit("other", kind="other")  # a queue of its own
        assert last.done.wait(SECONDS)
        recorder.submit("f")
        recorder.scheduler.close()
        ran = [name for batch in recorder.batches for name in batch]
        assert sorted(ran) == ["a", "b", "c", "d", "f", "first", "other"]


def test_no_kind_is_kept_once_its_tasks_ran() -> None:
    class Kind:
        pass

    kinds = [Kind() for _ in range(100)]
    seen = [weakref.ref(kind) for kind in kinds]
    with recording(num_batch_threads=2) as recorder:
        tasks = [recorder.submit("a", kind=kinds.pop()) for _ in seen]
        assert all(task.done.wait(SECONDS) for task in tasks)
        _until(lambda: not any(kind() for kind in seen))


def test_closing_runs_what_is_queued_and_ends_the_threads(fault_of) -> None:
    before = set(threading.enumerate())
    with recording(num_batch_threads=3, batch_timeout_micros=10**10) as recorder:
        assert len(set(threading.enumerate()) - before) == 3
        waiting = [recorder.submit("a", kind=1), recorder.submit("b", kind=2)]
        recorder.scheduler.close()
        assert all(task.done.is_set() for task in waiting)
        assert set(threading.enumerate()) <= before
        assert fault_of(lambda: recorder.submit("c"))[0] == "UNAVAILABLE"
