"""What is refused, with which status and words; and that the server answers the next request."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.client.connection import PREDICT
from serving.server import service

BAD = b"no picture"

INVALID = "INVALID_ARGUMENT"
NO_STRING = "Expects input image_bytes to be string but float is provided"
REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("other", {}, "NOT_FOUND", "Servable not found for request: Latest(other)"),
    ("", {}, INVALID, "ModelSpec has no name specified."),
    ("pictures nope", {}, "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
    (
        "pictures",
        {},
        INVALID,
        "input size does not match signature: 0!=1 len({}) != len({image_bytes})."
        " Sent extra: {}. Missing but required: {image_bytes}.",
    ),
    ("pictures", {"image_bytes": [b""], "more": 1}, INVALID, "Sent extra: {more}"),
    ("pictures", {"image_bytes": [1.0]}, INVALID, NO_STRING),
    # Shapes are for the graph to judge; which operation says so first is chance.
    ("pictures", {"image_bytes": b"x"}, INVALID, ""),
    ("pictures", {"image_bytes": [[b"x"]]}, INVALID, "shape [1]"),
    ("pictures __saved_model_init_op", {}, INVALID, "is no dense tensor"),
    ("old sparse", {"inputs": [1.0]}, "UNIMPLEMENTED", "input inputs is no dense tensor"),
    ("old sparse_out", {"inputs": [b""]}, INVALID, "output s is no dense tensor"),
    # The message quotes what was sent, and that is no text.
    ("old number", {"inputs": [b"\xff\xfe"]}, INVALID, "convert string: \ufffd\ufffd"),
]


@pytest.fixture
def ask(stub: Any, predicting: Callable, refusal: Callable) -> Callable[..., tuple[str, str]]:
    """Code and message of a Predict request that is refused."""

    def asked(which: str = "pictures", **inputs: Any) -> tuple[str, str]:
        model, _, signature = which.partition(" ")
        return refusal(stub.Predict, predicting(model, signature, **inputs))

    return asked


@pytest.mark.parametrize(("which", "inputs", "code", "words"), REFUSALS)
def test_wrong_requests(ask, which, inputs, code, words):
    found = ask(which, **inputs)
    assert found[0] == code
    assert words in found[1]
    for odd in ("\n", "File ", "{{node"):
        assert odd not in found[1]


def test_wrong_outputs(stub, predicting, refusal) -> None:
    for output, details in (
        (
            "nope",
            "output tensor alias not found in signature: nope Outputs expected to be in the set"
            " {class_fractions,classes,label,mask,mask_png_bytes,probabilities,probability}.",
        ),
        ("label", "duplicate output tensor alias: label"),
    ):
        request = predicting("pictures", "", "label", output, image_bytes=[b""])
        assert refusal(stub.Predict, request) == (INVALID, details)


def test_a_bad_picture_is_named_by_its_position(ask, grays) -> None:
    for position in (0, 3, 7):
        pictures = grays(*[9] * 8)
        pictures[position] = BAD
        code, details = ask(image_bytes=pictures)
        assert code == INVALID
        assert details.startswith(f"input image_bytes, position {position}: Unknown image file")


def test_what_is_no_pictures_fault_names_none(ask, grays) -> None:
    for size in (1, 4):
        pictures = grays(*[9] * size)
        code, details = ask("pictures grad_cam", image_bytes=pictures, class_index=np.int32(5))
        assert code == INVALID
        assert "class_index: -1, 0 or 1" in details
        assert "position" not in details


def test_one_value_a_picture_goes_with_its_picture(ask, grays) -> None:
    classes = np.array([0, 1, 5, 0], np.int32)
    pictures = grays(9, 9, 9, 9)
    details = ask("pictures grad_cam", image_bytes=pictures, class_index=classes)[1]
    assert details.startswith("inputs class_index, image_bytes, position 2: ")
    assert "class_index: -1, 0 or 1" in details


def test_long_messages_are_cut(ask) -> None:
    details = ask(**{f"a_rather_long_name_{number}": 1 for number in range(200)})[1]
    assert len(details) == 1024 + len("...TRUNCATED")
    assert details.endswith("...TRUNCATED")


def _nested(depth: int) -> bytes:
    """A PredictRequest whose input holds a tensor in a tensor in a tensor."""
    request = PredictRequest()
    tensor = request.inputs["x"]
    for _ in range(depth):
        tensor = tensor.variant_val.add().tensors.add()
    return request.SerializeToString()


WIRE = [
    b"\xff\xff",
    b"\x0a\x7f",
    b"\x0a\x02\x0a\xff",
    b"\x12" * 1000,
    b"\x0a\x04\x0a\x02\xff\xfe",  # a model's name that is no UTF-8
    b"\x0b" * 10_000,  # groups in groups
    _nested(5_000),
]


@pytest.mark.parametrize("wire", WIRE, ids=range(len(WIRE)))
def test_bytes_that_are_no_request(zoo_channel, refusal, wire: bytes) -> None:
    code, details = refusal(zoo_channel.unary_unary(PREDICT.path), wire)
    assert code == INVALID
    assert details.startswith("the request is no ")


def test_whatever_fails_in_the_server_is_a_status(stub, predicting, refusal, monkeypatch, caplog):
    request = predicting("types", "int32", x=[1])
    for error, code in (
        (RuntimeError("secret"), "INTERNAL"),
        (MemoryError(), "RESOURCE_EXHAUSTED"),
        (RecursionError(), "INTERNAL"),
    ):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(service, "encode", fail)
            found, details = refusal(stub.Predict, request)
        assert found == code
        assert "secret" not in details
    assert "secret" in caplog.text
    assert stub.Predict(request, timeout=60).outputs
