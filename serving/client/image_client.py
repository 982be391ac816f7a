"""The client as ordinary and as asynchronous code calls it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from functools import cached_property
from typing import Any, Self, TypeVar

import grpc

from serving.client import exchanges
from serving.client.blocking import BlockingClient
from serving.client.connection import CallOptions, Connection, Deadline
from serving.client.exchanges import Exchange, Question
from serving.client.images import Image, PreparedImage, RequestPacker
from serving.results import Answer

T = TypeVar("T")
Images = Iterable[Image] | AsyncIterable[Image]


class AsyncImageClient:
    """The methods of `ImageClient` for `await`; see there for each.

    A connection belongs to the event loop in which it was first used; another loop gets its own.
    Where images are taken, they may also come from an asynchronous iterable; files are read and
    arrays encoded in a thread beside the loop.
    """

    def __init__(self, connection: Connection):
        self._connection = connection
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        """Closes the connection of this loop."""
        if self._channel is not None and self._loop is asyncio.get_running_loop():
            await self._channel.close()
        self._channel = None

    # The same code: what it calls below is asynchronous.
    predict: Any = BlockingClient.predict
    explain: Any = BlockingClient.explain
    segment: Any = BlockingClient.segment
    predict_stream: Any = BlockingClient.predict_stream
    explain_stream: Any = BlockingClient.explain_stream
    segment_stream: Any = BlockingClient.segment_stream
    call: Any = BlockingClient.call
    metadata: Any = BlockingClient.metadata
    status: Any = BlockingClient.status
    _stream: Any = BlockingClient._stream

    async def _hold(
        self, exchange: Exchange[T], options: CallOptions, deadline: Deadline | None = None
    ) -> T:
        """Sends what an exchange asks for until it is done."""
        deadline = deadline or self._connection.deadline(options)
        headers = self._connection.call_headers(options)
        try:
            method, message = next(exchange)
            while True:
                send = method.on(self._here())
                try:
                    response = await send(message, timeout=deadline.left(), metadata=headers)
                except grpc.RpcError as error:
                    method, message = exchange.throw(self._connection.refusal(error, deadline))
                else:
                    method, message = exchange.send(response)
        except StopIteration as done:
            return done.value

    def _here(self) -> grpc.aio.Channel:
        loop = asyncio.get_running_loop()
        if self._channel is None or self._loop is not loop:
            self._channel, self._loop = self._connection.open(grpc.aio), loop
        return self._channel

    async def _all(self, question: Question[T], images: Images, options: CallOptions) -> list[T]:
        deadline = self._connection.deadline(options)
        async with aclosing(self._stream(question, images, options, deadline)) as answers:
            return [answer.result async for answer in answers]

    async def _in_order(
        self, question: Question[T], images: Images, options: CallOptions, deadline: Deadline | None
    ) -> AsyncGenerator[Answer[T], None]:
        """Asks about several batches at a time."""
        waiting: deque[asyncio.Task[list[Answer[T]]]] = deque()
        try:
            async for batch in self._batches(images):
                exchange = exchanges.ask(question, batch, self._connection)
                waiting.append(asyncio.create_task(self._hold(exchange, options, deadline)))
                if len(waiting) == self._connection.in_flight:
                    for answer in await waiting.popleft():
                        yield answer
            while waiting:
                for answer in await waiting.popleft():
                    yield answer
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _batches(self, images: Images) -> AsyncIterable[list[PreparedImage]]:
        packer = RequestPacker(self._connection.batch_size, self._connection.max_message_bytes)
        async for image in _each(images):
            encoded = isinstance(image, bytes)
            batch = packer.add(image) if encoded else await asyncio.to_thread(packer.add, image)
            if batch:
                yield batch
        if batch := packer.rest():
            yield batch


class ImageClient(BlockingClient):
    """Talks to TensorFlow Serving or to the embedded server.

    Close it after use, or use it in a `with` statement. `aio` has the same methods for `await`;
    `async with` closes both. Threads may share a client.

    All methods raise `ServingError` when the server refuses, and `InputError` when no server
    answers at the target; those with images raise `ImageError`, an InputError, for an image
    that is missing or that the server cannot read. A server that is unavailable or full, or
    that ended before it took up a call, is asked again after 0.1, 0.2, 0.4 and 0.8 s, each a fifth
    more or less by chance; whatever else it refuses is not sent again.

    A method that returns a list has one deadline for all it takes. A stream has one for each
    batch, repeats included, and holds `in_flight` batches in memory however many there are. All
    methods take `timeout_seconds` and `headers`; see `CallOptions`.

    Args:
        target: host and port.
        model_name: the model to ask.
        timeout_seconds: the deadline.
        version: the version of the model to ask; None: the server's choice.
        label: the label of the version to ask, instead of its number.
        tls: how to encrypt; None: not at all.
        max_message_bytes: of a request or a response.
        attempts: how often a request is sent at most, 1 to 5.
        headers: sent with every request.
        batch_size: most images in a request.
        in_flight: requests of one call under way at a time.
    """

    @cached_property
    def aio(self) -> AsyncImageClient:
        """The same for `await`, over a connection of its own."""
        return AsyncImageClient(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aio.close()
        self.close()


async def _each(images: Images) -> AsyncIterable[Image]:
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image
