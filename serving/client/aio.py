"""The client as asynchronous code calls it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar, Unpack

import grpc
import numpy as np

from serving.client import exchanges
from serving.client.connection import CallOptions, Connection, Deadline
from serving.client.exchanges import CLASSIFY, SEGMENT, Exchange, Question, explaining
from serving.client.images import Image, PreparedImage, RequestPacker, check_many
from serving.results import Answer, Explanation, Metadata, Prediction, Segmentation, VersionStatus

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

    async def predict(self, images: Images, **options: Unpack[CallOptions]) -> list[Prediction]:
        return await self._all(CLASSIFY, images, options)

    async def explain(
        self, images: Images, class_index: int = -1, **options: Unpack[CallOptions]
    ) -> list[Explanation]:
        return await self._all(explaining(class_index), images, options)

    async def segment(self, images: Images, **options: Unpack[CallOptions]) -> list[Segmentation]:
        return await self._all(SEGMENT, images, options)

    def predict_stream(
        self, images: Images, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[Answer[Prediction], None]:
        return self._stream(CLASSIFY, images, options)

    def explain_stream(
        self, images: Images, class_index: int = -1, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[Answer[Explanation], None]:
        return self._stream(explaining(class_index), images, options)

    def segment_stream(
        self, images: Images, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[Answer[Segmentation], None]:
        return self._stream(SEGMENT, images, options)

    async def call(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] = (),
        **options: Unpack[CallOptions],
    ) -> dict[str, np.ndarray]:
        exchange = exchanges.call(signature, inputs, outputs, self._connection.spec())
        return await self._hold(exchange, options)

    async def metadata(self, **options: Unpack[CallOptions]) -> Metadata:
        return await self._hold(exchanges.metadata(self._connection.spec()), options)

    async def status(self, **options: Unpack[CallOptions]) -> list[VersionStatus]:
        return await self._hold(exchanges.status(self._connection.spec()), options)

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

    def _stream(
        self,
        question: Question[T],
        images: Images,
        options: CallOptions,
        deadline: Deadline | None = None,
    ) -> AsyncGenerator[Answer[T], None]:
        check_many(images)
        self._connection.deadline(options)  # a mistake is told before the first answer is taken
        return self._in_order(question, images, options, deadline)

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


async def _each(images: Images) -> AsyncIterable[Image]:
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image
