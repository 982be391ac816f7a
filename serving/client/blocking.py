"""The client as ordinary code calls it."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from itertools import chain, islice
from typing import Self, TypeVar, Unpack

import grpc
import numpy as np

from serving.client import exchanges
from serving.client.connection import CallOptions, Connection, Deadline
from serving.client.exchanges import CLASSIFY, SEGMENT, Exchange, Question, explaining
from serving.client.images import Image, PreparedImage, RequestPacker, check_many
from serving.results import Answer, Explanation, Metadata, Prediction, Segmentation, VersionStatus

T = TypeVar("T")


class BlockingClient(Connection):
    """The methods of `ImageClient`, see there, for code that waits for each."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; what is under way ends with an error. That of `aio` stays."""
        if "_channel" in self.__dict__:
            self._channel.close()

    def predict(self, images: Iterable[Image], **options: Unpack[CallOptions]) -> list[Prediction]:
        """Classifies images.

        Args:
            images: any number of paths, encoded JPEG, PNG, GIF or BMP bytes, Pillow images, or
                uint8 arrays [h, w, 3] (RGB) or [h, w] (grey).
            options: see `CallOptions`.

        Returns:
            One result per image, in order.
        """
        return self._all(CLASSIFY, images, options)

    def explain(
        self, images: Iterable[Image], class_index: int = -1, **options: Unpack[CallOptions]
    ) -> list[Explanation]:
        """Shows by Grad-CAM what speaks for a class, -1: the model's choice; see `predict`."""
        return self._all(explaining(class_index), images, options)

    def segment(
        self, images: Iterable[Image], **options: Unpack[CallOptions]
    ) -> list[Segmentation]:
        """Segments images; see `predict`."""
        return self._all(SEGMENT, images, options)

    def predict_stream(
        self, images: Iterable[Image], **options: Unpack[CallOptions]
    ) -> Generator[Answer[Prediction], None, None]:
        """Classifies images while they come, without end if need be; see `predict`.

        They are read no further ahead than `in_flight` batches.

        Yields:
            One answer per image, in order: its result, or what is wrong with that image.
        """
        return self._stream(CLASSIFY, images, options)

    def explain_stream(
        self, images: Iterable[Image], class_index: int = -1, **options: Unpack[CallOptions]
    ) -> Generator[Answer[Explanation], None, None]:
        """Explains images while they come; see `explain` and `predict_stream`."""
        return self._stream(explaining(class_index), images, options)

    def segment_stream(
        self, images: Iterable[Image], **options: Unpack[CallOptions]
    ) -> Generator[Answer[Segmentation], None, None]:
        """Segments images while they come; see `predict_stream`."""
        return self._stream(SEGMENT, images, options)

    def call(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] = (),
        **options: Unpack[CallOptions],
    ) -> dict[str, np.ndarray]:
        """Runs any signature in one request.

        Args:
            signature: its name.
            inputs: by input name; strings as `object` arrays of `bytes`.
            outputs: names of the outputs to compute; none: all.
            options: see `CallOptions`.

        Returns:
            The outputs by name; strings as `object` arrays of `bytes`.
        """
        exchange = exchanges.call(signature, inputs, outputs, self._connection.spec())
        return self._hold(exchange, options)

    def metadata(self, **options: Unpack[CallOptions]) -> Metadata:
        """Asks which version serves, and its signatures."""
        return self._hold(exchanges.metadata(self._connection.spec()), options)

    def status(self, **options: Unpack[CallOptions]) -> list[VersionStatus]:
        """Asks for the state of each version that the server knows, ascending."""
        return self._hold(exchanges.status(self._connection.spec()), options)

    @property
    def _connection(self) -> Connection:
        return self

    @cached_property
    def _channel(self) -> grpc.Channel:
        return self.open(grpc)

    def _hold(
        self, exchange: Exchange[T], options: CallOptions, deadline: Deadline | None = None
    ) -> T:
        """Sends what an exchange asks for until it is done."""
        deadline = deadline or self.deadline(options)
        headers = self.call_headers(options)
        try:
            method, message = next(exchange)
            while True:
                send = method.on(self._channel)
                try:
                    response = send(message, timeout=deadline.left(), metadata=headers)
                except grpc.RpcError as error:
                    method, message = exchange.throw(self.refusal(error, deadline))
                else:
                    method, message = exchange.send(response)
        except StopIteration as done:
            return done.value

    def _all(self, question: Question[T], images: Iterable[Image], options: CallOptions) -> list[T]:
        """The results of all images, by one deadline; raises for the first that has none."""
        with closing(self._stream(question, images, options, self.deadline(options))) as answers:
            return [answer.result for answer in answers]

    def _stream(
        self,
        question: Question[T],
        images: Iterable[Image],
        options: CallOptions,
        deadline: Deadline | None = None,
    ) -> Generator[Answer[T], None, None]:
        check_many(images)
        self._connection.deadline(options)  # a mistake is told before the first answer is taken
        return self._in_order(question, images, options, deadline)

    def _in_order(
        self,
        question: Question[T],
        images: Iterable[Image],
        options: CallOptions,
        deadline: Deadline | None,
    ) -> Generator[Answer[T], None, None]:
        """Asks about several batches at a time."""
        batches = self._batches(images)
        ahead = list(islice(batches, 2 if self.in_flight > 1 else 0))
        asked = (exchanges.ask(question, batch, self) for batch in chain(ahead, batches))
        if len(ahead) < 2:  # one at a time: threads would only cost
            for exchange in asked:
                yield from self._hold(exchange, options, deadline)
            return
        pool = ThreadPoolExecutor(self.in_flight, thread_name_prefix="pawlens-client")
        waiting: deque[Future[list[Answer[T]]]] = deque()
        try:
            for exchange in asked:
                waiting.append(pool.submit(self._hold, exchange, options, deadline))
                if len(waiting) == self.in_flight:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False)

    def _batches(self, images: Iterable[Image]) -> Iterator[list[PreparedImage]]:
        packer = RequestPacker(self.batch_size, self.max_message_bytes)
        for image in images:
            if batch := packer.add(image):
                yield batch
        if batch := packer.rest():
            yield batch
