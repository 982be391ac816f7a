"""How exchanges are held over an ordinary connection, many at a time if need be."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from itertools import chain, islice
from typing import Any, TypeVar

import grpc

from serving.client import exchanges
from serving.client.connection import CallOptions, Connection, Deadline
from serving.client.exchanges import Exchange, Question
from serving.client.images import Image, PreparedImage, RequestPacker, check_many
from serving.results import Answer

T = TypeVar("T")


class BlockingCalls:
    """The calls of `ImageClient`; it opens the connection for the first of them."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def close(self) -> None:
        """Closes the connection."""
        if "_channel" in self.__dict__:
            self._channel.close()

    @cached_property
    def _channel(self) -> grpc.Channel:
        return self._connection.open(grpc)

    def hold(
        self, exchange: Exchange[T], options: CallOptions, deadline: Deadline | None = None
    ) -> T:
        """Sends what an exchange asks for until it is done."""
        deadline = deadline or self._connection.deadline(options)
        headers = self._connection.metadata(options)
        outcome: Any = None
        try:
            while True:
                method, message = exchange.send(outcome)
                send = method.on(self._channel)
                try:
                    outcome = send(message, timeout=deadline.left(), metadata=headers)
                except grpc.RpcError as error:
                    outcome = self._connection.refusal(error, deadline)
        except StopIteration as done:
            return done.value

    def all(self, question: Question[T], images: Iterable[Image], options: CallOptions) -> list[T]:
        """The results of all images; raises for the first that has none."""
        deadline = self._connection.deadline(options)
        with closing(self.stream(question, images, options, deadline)) as answers:
            return [answer.result for answer in answers]

    def stream(
        self,
        question: Question[T],
        images: Iterable[Image],
        options: CallOptions,
        deadline: Deadline | None = None,
    ) -> Generator[Answer[T], None, None]:
        """Answers about images while they come, with one deadline or one for each batch."""
        check_many(images)
        self._connection.deadline(options)  # a mistake is told before the first answer is taken

        def ask(batch: list[PreparedImage]) -> list[Answer[T]]:
            return self.hold(exchanges.ask(question, batch, self._connection), options, deadline)

        return self._in_order(ask, self._batches(images))

    def _in_order(
        self, ask: Callable[[list[PreparedImage]], list[T]], batches: Iterator[list[PreparedImage]]
    ) -> Generator[T, None, None]:
        """Asks about several batches at a time."""
        in_flight = self._connection.in_flight
        # One batch, or one at a time, needs no thread.
        first = list(islice(batches, 2)) if in_flight > 1 else []
        batches = chain(first, batches)
        if len(first) < 2:
            for batch in batches:
                yield from ask(batch)
            return
        pool = ThreadPoolExecutor(in_flight, thread_name_prefix="pawlens-client")
        waiting: deque[Future[list[T]]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(ask, batch))
                if len(waiting) == in_flight:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False)

    def _batches(self, images: Iterable[Image]) -> Iterator[list[PreparedImage]]:
        packer = RequestPacker(self._connection.batch_size, self._connection.max_message_bytes)
        for image in images:
            if batch := packer.add(image):
                yield batch
        if batch := packer.rest():
            yield batch
