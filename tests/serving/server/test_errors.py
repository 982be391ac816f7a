"""What is refused, with which status and words; and that the server answers the next request."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from serving.client.connection import PREDICT
from serving.server import service

BAD = b"no picture"

REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "other"}, "NOT_FOUND", "Servable not found for request: Latest(other)"),
    ({"model": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    (
        {"signature": "nope", "image_bytes": [b""]},
        "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.',
    ),
    (
        {},
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({image_bytes})."
        " Sent extra: {}. Missing but required: {image_bytes}.",
    ),
    ({"image_bytes": [b""], "more": 1}, "INVALID_ARGUMENT", "Sent extra: {more}"),
    (
        {"image_bytes": [1.0]},
        "INVALID_ARGUMENT",
        "Expects input image_bytes to be string but float is provided",
    ),
    # Shapes are for the graph to judge; which operation says so first is chance.
    ({"image_bytes": b"x"}, "INVALID_ARGUMENT", ""),
    ({"image_bytes": [[b"x"]]}, "INVALID_ARGUMENT", "shape [1]"),
    ({"signature": "__saved_model_init_op"}, "INVALID_ARGUMENT", "is no dense tensor"),
    ({"image_bytes": [BAD]}, "INVALID_ARGUMENT", "input image_bytes, position 0: "),
    (
        {"model": "old", "signature": "sparse", "inputs": [1.0]},
        "UNIMPLEMENTED",
        "input inputs is no dense tensor",
    ),
    (
        {"model": "old", "signature": "sparse_out", "inputs": [b""]},
        "INVALID_ARGUMENT",
        "output s is no dense tensor",
    ),
    # The message quotes what was sent, and that is no text.
    (
        {"model": "old", "signature": "number", "inputs": [b"\xff\xfe"]},
        "INVALID_ARGUMENT",
        "position 0: StringToNumberOp could not correctly convert string: \ufffd\ufffd",
    ),
]


@pytest.fixture
def ask(stub: Any, predicting: Callable, refusal: Callable) -> Callable[..., tuple[str, str]]:
    """Code and message of a Predict request that is refused."""

    def asked(model: str = "pictures", signature: str = "serving_default", **inputs: Any):
        return refusal(stub.Predict, predicting(model, signature, **inputs))

    return asked


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSALS)
def test_wrong_requests(ask, arguments, code, words):
    found = ask(**arguments)
    assert found[0] == code
    assert words in found[1]
    assert "\n" not in found[1]
    assert "File " not in found[1]
    assert "{{node" not in found[1]


def test_wrong_outputs(stub, predicting, refusal) -> None:
    request = predicting("pictures", image_bytes=[b""])
    request.output_filter.extend(["label", "nope"])
    code, details = refusal(stub.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert details == (
        "output tensor alias not found in signature: nope Outputs expected to be in the set"
        " {class_fractions,classes,label,mask,mask_png_bytes,probabilities,probability}."
    )
    request.output_filter[1] = "label"
    assert refusal(stub.Predict, request) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: label",
    )


def test_a_bad_picture_is_named_by_its_position(ask, grays) -> None:
    for position in (0, 3, 7):
        pictures = grays(*[9] * 8)
        pictures[position] = BAD
        code, details = ask(image_bytes=pictures)
        assert code == "INVALID_ARGUMENT"
        assert details.startswith(f"input image_bytes, position {position}: Unknown image file")


def test_what_is_no_pictures_fault_names_none(ask, grays) -> None:
    for size in (1, 4):
        pictures = grays(*[9] * size)
        code, details = ask(signature="grad_cam", image_bytes=pictures, class_index=np.int32(5))
        assert code == "INVALID_ARGUMENT"
        assert "class_index: -1, 0 or 1" in details
        assert "position" not in details


def test_one_value_a_picture_goes_with_its_picture(ask, grays) -> None:
    classes = np.array([0, 1, 5, 0], np.int32)
    pictures = grays(9, 9, 9, 9)
    details = ask(signature="grad_cam", image_bytes=pictures, class_index=classes)[1]
    assert details.startswith("inputs class_index, image_bytes, position 2: ")
    assert "class_index: -1, 0 or 1" in details


def test_long_messages_are_cut(ask) -> None:
    details = ask(**{f"a_rather_long_name_{number}": 1 for number in range(200)})[1]
    assert len(details) == 1024 + len("...TRUNCATED")
    assert details.endswith("...TRUNCATED")


def _nested(depth: int) -> bytes:
    """A PredictRequest whose input holds a tensor in a tensor in a tensor."""

    def field(number: int, content: bytes) -> bytes:
        length, size = len(content), bytearray()
        while length > 0x7F:
            size.append(length & 0x7F | 0x80)
            length >>= 7
        return bytes([number << 3 | 2, *size, length]) + content

    tensor = b""
    for _ in range(depth):
        tensor = field(15, field(3, tensor))  # variant_val { tensors }
    return field(2, field(1, b"x") + field(2, tensor))


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
    assert code == "INVALID_ARGUMENT"
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
