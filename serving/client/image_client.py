"""The client as ordinary code calls it."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Unpack

import numpy as np

from serving.client import exchanges
from serving.client.aio import AsyncImageClient
from serving.client.blocking import BlockingCalls
from serving.client.connection import (
    CLASSIFIER_NAME,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_SECONDS,
    IN_FLIGHT,
    MAX_ATTEMPTS,
    CallOptions,
    Connection,
    Tls,
)
from serving.client.exchanges import CLASSIFY, SEGMENT, explaining
from serving.client.images import BATCH_SIZE, Image
from serving.results import (
    Answer,
    Explanation,
    Metadata,
    Prediction,
    Segmentation,
    VersionStatus,
)
from serving.wire import methods


class ImageClient:
    """Talks to TensorFlow Serving or to the embedded server.

    Close it after use, or use it in a `with` statement. `aio` has the same methods for `await`;
    `async with` closes both. Threads may share a client.

    All methods raise `ServingError` when the server refuses, and `InputError` when no server
    answers at the target; those with images raise `ImageError`, an InputError, for an image
    that is missing or that the server cannot read. A server that is unavailable or full is asked
    again after 0.1, 0.2, 0.4 and 0.8 s, each a fifth more or less by chance; whatever else it
    refuses is not sent again.

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

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        model_name: str = CLASSIFIER_NAME,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        *,
        version: int | None = None,
        label: str | None = None,
        tls: Tls | None = None,
        max_message_bytes: int = methods.MAX_MESSAGE_BYTES,
        attempts: int = MAX_ATTEMPTS,
        headers: Mapping[str, str] | None = None,
        batch_size: int = BATCH_SIZE,
        in_flight: int = IN_FLIGHT,
    ):
        self._connection = Connection(
            target=target,
            model_name=model_name,
            timeout_seconds=timeout_seconds,
            version=version,
            label=label,
            tls=tls,
            max_message_bytes=max_message_bytes,
            attempts=attempts,
            headers=headers or {},
            batch_size=batch_size,
            in_flight=in_flight,
        )
        self._connection.credentials  # noqa: B018 - wrong files are told here
        self._calls = BlockingCalls(self._connection)
        self.target = target
        self.model_name = model_name
        self.aio = AsyncImageClient(self._connection)

    def __enter__(self) -> "ImageClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "ImageClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aio.close()
        self.close()

    def close(self) -> None:
        """Closes the connection; what is under way ends with an error. That of `aio` stays."""
        self._calls.close()

    def predict(self, images: Iterable[Image], **options: Unpack[CallOptions]) -> list[Prediction]:
        """Classifies images.

        Args:
            images: any number of paths, encoded JPEG, PNG, GIF or BMP bytes, Pillow images, or
                uint8 arrays [h, w, 3] (RGB) or [h, w] (grey).
            options: see `CallOptions`.

        Returns:
            One result per image, in order.
        """
        return self._calls.all(CLASSIFY, images, options)

    def explain(
        self, images: Iterable[Image], class_index: int = -1, **options: Unpack[CallOptions]
    ) -> list[Explanation]:
        """Shows by Grad-CAM what speaks for a class, -1: the model's choice; see `predict`."""
        return self._calls.all(explaining(class_index), images, options)

    def segment(
        self, images: Iterable[Image], **options: Unpack[CallOptions]
    ) -> list[Segmentation]:
        """Segments images; see `predict`."""
        return self._calls.all(SEGMENT, images, options)

    def predict_stream(
        self, images: Iterable[Image], **options: Unpack[CallOptions]
    ) -> Generator[Answer[Prediction], None, None]:
        """Classifies images while they come, without end if need be; see `predict`.

        They are read no further ahead than `in_flight` batches.

        Yields:
            One answer per image, in order: its result, or what is wrong with that image.
        """
        return self._calls.stream(CLASSIFY, images, options)

    def explain_stream(
        self, images: Iterable[Image], class_index: int = -1, **options: Unpack[CallOptions]
    ) -> Generator[Answer[Explanation], None, None]:
        """Explains images while they come; see `explain` and `predict_stream`."""
        return self._calls.stream(explaining(class_index), images, options)

    def segment_stream(
        self, images: Iterable[Image], **options: Unpack[CallOptions]
    ) -> Generator[Answer[Segmentation], None, None]:
        """Segments images while they come; see `predict_stream`."""
        return self._calls.stream(SEGMENT, images, options)

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
        return self._calls.hold(exchange, options)

    def metadata(self, **options: Unpack[CallOptions]) -> Metadata:
        """Asks which version serves, and its signatures."""
        return self._calls.hold(exchanges.metadata(self._connection.spec()), options)

    def status(self, **options: Unpack[CallOptions]) -> list[VersionStatus]:
        """Asks for the state of each version that the server knows, ascending."""
        return self._calls.hold(exchanges.status(self._connection.spec()), options)
