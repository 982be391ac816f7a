"""A small server of the same protocol that does as it is told, in this process, over sockets."""

import asyncio
import io
import itertools
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, closing
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from serving.client import ImageClient
from serving.wire import messages_pb2 as pb
from serving.wire import methods
from serving.wire.tensors import fill_proto, to_array


class Peer:
    """Answers `predict` with each image's mean brightness / 255 as the probability of "dog".

    Attributes:
        fail: the next calls' refusals, the first first.
        delay: seconds that a call takes; a function of the number of calls so far.
        names_position: whether a refusal names the bad image, as TensorFlow Serving's do not.
        heatmap_side: how large heat maps are.
        classes: the names it tells; None: its model has no such output.
        requests: what was asked, in the order of arrival.
        headers: what came with it.
        most_at_once: the highest number of calls that ran at a time.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None, port: int = 0):
        self.fail: list[tuple[grpc.StatusCode, str]] = []
        self.delay: Callable[[int], float] = lambda count: 0.0
        self.names_position = True
        self.heatmap_side = 4
        self.classes: tuple[bytes, ...] | None = (b"cat", b"dog")
        self.requests: list[pb.PredictRequest] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()
        self.server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        handler = grpc.unary_unary_rpc_method_handler(
            self._predict,
            request_deserializer=pb.PredictRequest.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        handlers = {"Predict": handler}
        self.server.add_registered_method_handlers(methods.PREDICTION_SERVICE, handlers)
        credentials = credentials or grpc.insecure_server_credentials()
        self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.target = f"127.0.0.1:{self.port}"
        self.server.start()

    def _predict(self, request, context):
        with self._lock:
            self.requests.append(request)
            self.headers.append(dict(context.invocation_metadata()))
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            failure = self.fail.pop(0) if self.fail else None
            count = len(self.requests)
        try:
            time.sleep(self.delay(count))
            if failure:
                context.abort(*failure)
            return self._answer(request, context)
        finally:
            with self._lock:
                self._running -= 1

    def _answer(self, request, context):
        dogs = []
        for position, encoded in enumerate(to_array(request.inputs["image_bytes"])):
            try:
                dogs.append(np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).mean() / 255)
            except UnidentifiedImageError:
                where = f"input image_bytes, position {position}: " if self.names_position else ""
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{where}Unknown image file format")
        dog = np.array(dogs, np.float32)
        values = {
            "label": np.where(dog > 0.5, b"dog", b"cat").astype(object),
            "probability": np.maximum(dog, 1 - dog),
            "probabilities": np.stack([1 - dog, dog], axis=1),
            "heatmap": np.tile(dog[:, None, None], (1, self.heatmap_side, self.heatmap_side)),
            "overlay_png_bytes": to_array(request.inputs["image_bytes"]),
        }
        if self.classes is not None:
            values["classes"] = np.tile(np.array([self.classes], object), (len(dog), 1))
        response = pb.PredictResponse()
        for name in request.output_filter:
            if name not in values:  # as TensorFlow Serving says it
                details = f"output tensor alias not found in signature: {name} Outputs expected to"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{details} be in the set {{...}}")
            fill_proto(response.outputs[name], values[name])
        return response

    def sent(self) -> list[int]:
        """Images in each request."""
        return [request.inputs["image_bytes"].tensor_shape.dim[0].size for request in self.requests]


@pytest.fixture
def start_peer() -> Iterator[Callable[..., Peer]]:
    started: list[Peer] = []

    def start(*arguments: object, **more: object) -> Peer:
        started.append(Peer(*arguments, **more))
        return started[-1]

    yield start
    for peer in started:
        peer.server.stop(0).wait()


@pytest.fixture
def peer(start_peer: Callable[..., Peer]) -> Peer:
    return start_peer()


@pytest.fixture
def connect(peer: Peer) -> Iterator[Callable[..., ImageClient]]:
    """connect(target, **settings): a client, of the peer if nothing else is said."""
    with ExitStack() as stack:
        yield lambda target=peer.target, **settings: stack.enter_context(
            ImageClient(target, **settings)
        )


@pytest.fixture(params=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """ask(client, method, *arguments, **more): what either face of a client answers.

    Of a stream, a list of the first answers, `most` of them or all.
    """

    def call(client, method, *arguments, most=None, **more):
        if request.param == "blocking":
            found = getattr(client, method)(*arguments, **more)
            if not isinstance(found, Generator):
                return found
            with closing(found):
                return list(itertools.islice(found, most))

        async def run() -> Any:
            try:
                found = getattr(client.aio, method)(*arguments, **more)
                if not isinstance(found, AsyncGenerator):
                    return await found
                taken: list[Any] = []
                async with aclosing(found):
                    while len(taken) != most and (answer := await anext(found, None)):
                        taken.append(answer)
                return taken
            finally:
                await client.aio.close()

        return asyncio.run(run())

    return call
