"""Who gets how much of a server: requests on their way in, and those that threads answer.

A request that is on its way holds neither a slot nor a thread. It is bounded in time, and all of
them in number and in bytes; where one has to go, it is the oldest or the largest of the unfinished:
whoever sends a whole request is not locked out by those who do not.
"""

import asyncio
import resource
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import grpc

from serving.server.call import Call
from serving.server.faults import Fault, exhausted, unavailable

# Requests beyond it are refused instead of piling up in memory.
MAX_CONCURRENT_REQUESTS = 128
MAX_UNFINISHED = 1024

_RESERVED_DESCRIPTORS = 128  # for models, logs, libraries

Answer = TypeVar("Answer")
_late = partial(Fault, grpc.StatusCode.DEADLINE_EXCEEDED)
_stopping = partial(unavailable, "the server is stopping")


class Arrival:
    """A request from its first byte to its answer.

    Attributes:
        size: bytes of it that are in memory.
        fault: what it fails with when its time is over.
        work: what a thread does for it; None: nothing yet.
    """

    def __init__(self, arrivals: "Arrivals", limit: asyncio.Timeout, fault: Fault):
        self._arrivals, self._limit = arrivals, limit
        self.size, self.fault = 0, fault
        self.work: asyncio.Future[Any] | None = None

    def grow(self, count: int) -> None:
        """Notes so many more bytes; a Fault where nobody else can be refused for them."""
        self._arrivals.take(self, count)

    def whole(self, seconds: float | None = None) -> None:
        """Notes that all of it is here, and how long its answer may take."""
        if self not in self._arrivals.unfinished:
            return  # refused already, though its last bytes came before it could be told
        self.end_in(seconds, _late(f"no answer within {seconds:g} s" if seconds else ""))

    def end_in(self, seconds: float | None, fault: Fault) -> None:
        """It is on its way no longer, and fails in so many seconds if it has no answer by then."""
        self._arrivals.unfinished.pop(self, None)
        self.fault = fault
        with suppress(RuntimeError):  # it is about to fail already
            now = asyncio.get_running_loop().time()
            self._limit.reschedule(None if seconds is None else now + seconds)


class Arrivals:
    """The requests of one event loop.

    Args:
        seconds: that a request may take to arrive; None: any time.
        most_mb: of all requests, those included that wait for their answers or are worked on.
        most: requests on their way; of more the oldest is refused. None: MAX_UNFINISHED.

    Attributes:
        unfinished: those that are on their way, the oldest first.
    """

    def __init__(self, seconds: float | None, most_mb: int = 0, most: int | None = None):
        self._seconds, self._most_bytes = seconds, most_mb * 2**20
        self._most = most or MAX_UNFINISHED
        self._bytes, self._closed = 0, False
        self.unfinished: dict[Arrival, None] = {}

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Arrival]:
        """A request until it is answered; a Fault if it is not in time, or refused for others."""
        if self._closed:
            raise _stopping()
        if len(self.unfinished) >= self._most:
            self._refuse(next(iter(self.unfinished)), "too many unfinished requests")
        limit = asyncio.timeout(self._seconds)
        late = _late(f"the request did not arrive within {self._seconds} s", 408)
        arrival = Arrival(self, limit, late)
        self.unfinished[arrival] = None
        try:
            async with limit:
                yield arrival
        except TimeoutError as error:
            if not limit.expired():
                raise  # what was done for it ran out of time by itself
            raise arrival.fault from error
        finally:
            self.unfinished.pop(arrival, None)
            if arrival.work is None:
                self._forget(arrival)
            else:  # a thread may still hold what nobody waits for
                arrival.work.add_done_callback(lambda _: self._forget(arrival))

    def take(self, arrival: Arrival, count: int) -> None:
        """See `Arrival.grow`."""
        arrival.size += count
        self._bytes += count
        while self._bytes > self._most_bytes:
            largest = max(self.unfinished, key=lambda one: one.size, default=arrival)
            if largest.size <= arrival.size:
                raise exhausted("the requests of all take too much memory")
            self._refuse(largest, "the requests of all take too much memory")
            self._bytes, largest.size = self._bytes - largest.size, 0

    def close(self) -> None:
        """Ends all that are on their way, and takes no more."""
        self._closed = True
        for arrival in list(self.unfinished):
            arrival.end_in(0.0, _stopping())

    def _forget(self, arrival: Arrival) -> None:
        self._bytes -= arrival.size

    def _refuse(self, arrival: Arrival, why: str) -> None:
        arrival.end_in(0.0, exhausted(why))


class Workers:
    """Threads that answer whole requests; each keeps its slot until its thread is done with it."""

    def __init__(self, threads: int, name: str):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT_REQUESTS)
        # The pool keeps what it is handed until a thread is free, cancelled or not: here it is not.
        self._todo: OrderedDict[Future[Any], Callable[[], Any]] = OrderedDict()

    async def run(
        self, call: Call, arrival: Arrival, work: Callable[..., Answer], *arguments: Any
    ) -> Answer:
        """Runs it in a thread, or not at all if nobody waits any more by then.

        Raises:
            Fault: RESOURCE_EXHAUSTED; all slots are taken.
        """
        if not self._slots.acquire(blocking=False):
            raise exhausted("too many concurrent requests")
        future: Future[Answer] = Future()
        future.add_done_callback(self._done)
        self._todo[future] = partial(work, *arguments)
        self._pool.submit(self._next)
        arrival.work = asyncio.wrap_future(future)
        # Looked at even where nobody waits any more: asyncio complains of what is not.
        arrival.work.add_done_callback(lambda work: work.cancelled() or work.exception())
        try:
            await asyncio.wait((arrival.work,))
            return arrival.work.result()
        except asyncio.CancelledError:
            call.leave()
            future.cancel()
            raise

    def _next(self) -> None:
        with suppress(KeyError):  # nothing is left: what was to be done is cancelled
            future, work = self._todo.popitem(last=False)
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - for whoever waits
                    future.set_exception(error)

    def _done(self, future: Future[Any]) -> None:
        self._todo.pop(future, None)
        self._slots.release()


def most_connections(wanted: int) -> int:
    """Of each port: as many as wanted; if that is 0, what the limit of descriptors leaves."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted or max((descriptors - _RESERVED_DESCRIPTORS) // 2, descriptors // 4)
