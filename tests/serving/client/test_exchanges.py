"""What an exchange makes of answers that no good server gives."""

import grpc
import numpy as np
import pytest

from serving.client.connection import Connection
from serving.client.exchanges import CLASSIFY, ask
from serving.client.images import PreparedImage
from serving.results import ServingError
from serving.wire import messages_pb2 as pb
from serving.wire.tensors import fill_proto

RESOURCE = 20  # a type of TensorFlow's without values
PREPARED = [PreparedImage(4, "a.jpg", b"a"), PreparedImage(5, "b.jpg", b"b")]
GOOD = {
    "label": np.array([b"cat", b"dog"], object),
    "probability": np.array([0.75, 1.0], np.float32),
    "probabilities": np.array([[0.75, 0.25], [0.0, 1.0]], np.float32),
    "classes": np.array([[b"cat", "weißer Hund".encode()]] * 2, object),
}


def _answer(**outputs: np.ndarray | int | None):
    response = pb.PredictResponse()
    for name, value in (GOOD | outputs).items():
        if isinstance(value, int):
            response.outputs[name].dtype = value
        elif value is not None:
            fill_proto(response.outputs[name], value)
    exchange = ask(CLASSIFY, PREPARED, Connection())
    _, message = next(exchange)
    assert list(message.inputs["image_bytes"].string_val) == [b"a", b"b"]
    assert list(message.output_filter) == list(GOOD)
    with pytest.raises(StopIteration) as done:
        exchange.send(response)
    return done.value.value


def test_rows_become_results() -> None:
    first, second = _answer()
    assert (first.position, first.image, first.result.label) == (4, "a.jpg", "cat")
    assert (second.position, second.result.probabilities) == (5, (0.0, 1.0))
    assert second.result.classes == ("cat", "weißer Hund")


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"probability": None}, "output probability: expected 2 rows, found none"),
        ({"label": GOOD["label"][:1]}, r"output label: expected 2 rows, found shape \[1\]"),
        ({"probability": np.array(1.0)}, r"expected 2 rows, found shape \[\]"),
        ({"label": RESOURCE}, r"an unreadable answer: .*resource"),
    ],
)
def test_answers_that_cannot_be_read(outputs: dict, words: str) -> None:
    with pytest.raises(ServingError, match=words) as caught:
        _answer(**outputs)
    assert caught.value.code is grpc.StatusCode.INTERNAL
