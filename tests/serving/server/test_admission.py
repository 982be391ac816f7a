"""What a request may hold, and for how long, whatever its client does."""

import asyncio
import threading
from contextlib import suppress

import pytest

from serving.server.admission import Arrivals, Workers
from serving.server.call import Call
from serving.server.faults import Fault


def test_who_is_refused_stays_so_though_its_last_bytes_are_here() -> None:
    async def main() -> None:
        arrivals, last = Arrivals(60.0, most=1), asyncio.Event()

        async def one() -> None:
            async with arrivals.one() as arrival:
                await last.wait()
                arrival.whole()
                await asyncio.sleep(60)

        oldest = asyncio.create_task(one())
        await asyncio.sleep(0.2)
        last.set()
        async with arrivals.one():
            with pytest.raises(Fault, match="too many unfinished requests"):
                await asyncio.wait_for(oldest, 5)

    asyncio.run(main())


def test_a_timeout_inside_is_no_late_request() -> None:
    async def main() -> None:
        async with Arrivals(60.0).one():
            raise TimeoutError("of a disk")

    with pytest.raises(TimeoutError, match="of a disk"):
        asyncio.run(main())


def test_memory_counts_until_a_thread_lets_go_of_it() -> None:
    async def main() -> None:
        arrivals, workers = Arrivals(60.0, 1), Workers(1, "test")
        begun, end = threading.Event(), threading.Event()

        def work() -> bool:
            begun.set()
            return end.wait(20)

        async def ask(size: int) -> bool:
            async with arrivals.one() as arrival:
                arrival.grow(size)
                arrival.whole()
                return await workers.run(Call("grpc", "Predict", ""), arrival, work)

        runs = asyncio.create_task(ask(2**19))
        await asyncio.to_thread(begun.wait, 20)
        waits = asyncio.create_task(ask(2**19))
        await asyncio.sleep(0.1)
        for one in (runs, waits):
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
        assert not workers._todo  # the pool itself would keep the one that waits
        with pytest.raises(Fault, match="too much memory"):
            await ask(2**19 + 1)
        end.set()
        await asyncio.sleep(0.2)
        assert await ask(2**19)
        await asyncio.sleep(0.2)
        assert await ask(2**20)

    asyncio.run(main())
