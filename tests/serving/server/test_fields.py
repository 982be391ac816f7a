"""Fields of a message, counted on the wire: against the parsed message, and where there is none."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.server.fields import count_fields

MOST = 100_000


def counted(message: Message) -> int:
    """By the parsed message; packed numbers are one field, entries of maps are messages of two."""
    total = 0
    for field, value in message.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            inner = [item for item in value.values() if isinstance(item, Message)]
            total += 3 * len(value) + sum(map(counted, inner))
        elif field.message_type:
            many = list(value) if field.is_repeated else [value]
            total += len(many) + sum(map(counted, many))
        else:
            total += len(value) if field.is_repeated and not field.is_packed else 1
    return total


def predicting() -> PredictRequest:
    request = PredictRequest(output_filter=["a", "b"])
    request.model_spec.name = "x" * 200  # a length of two bytes
    request.model_spec.version.value = 2**62
    for name, value in {"numbers": np.eye(3), "texts": np.array([b"", b"\xff" * 300])}.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    request.inputs["doubles"].double_val.extend([1.0, 2.0])
    return request


def classifying() -> ClassificationRequest:
    request = ClassificationRequest()
    for number in range(20):
        features = request.input.example_list.examples.add().features.feature
        features["text"].bytes_list.value.extend([b"a"] * number)
        features["number"].float_list.value.append(number)
        features["none"].SetInParent()
    return request


@pytest.mark.parametrize("message", [predicting(), classifying(), PredictRequest()])
def test_as_many_as_the_parsed_message_has(message) -> None:
    wire = message.SerializeToString()
    assert count_fields(wire, message.DESCRIPTOR, MOST) == counted(message)
    for most in range(counted(message)):
        assert count_fields(wire, message.DESCRIPTOR, most) == most + 1


@pytest.mark.parametrize(
    ("wire", "count"),
    [
        (b"\x12\x00" * 2 * MOST, MOST + 1),  # entries of a map, each without a key
        (b"\x12\x02\x12\x00" * MOST, MOST + 1),
        (b"\x12", 1),  # no length
        (b"\x12\xff\xff\xff\xff\x0f\x0a", 2),  # a length beyond the end
        (b"\x0a\x01\x80", 2),  # a number that does not end
        (b"\x0d\x00\x00\x00\x00\x09" + b"\x00" * 8, 2),  # of fixed size
        (b"\xff" * 2_000_000, MOST + 1),
    ],
)
def test_what_is_no_message(wire, count) -> None:
    assert count_fields(wire, PredictRequest.DESCRIPTOR, MOST) == count
