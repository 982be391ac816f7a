"""What is said for each question, free of how it is sent.

An exchange is a generator: it yields requests, is sent the response to each, or thrown the
ServingError of its refusal, and returns the answer. Both clients, for `await` or not, drive it.
"""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message

from serving import names
from serving.client.connection import (
    GET_MODEL_METADATA,
    GET_MODEL_STATUS,
    PREDICT,
    Connection,
    Method,
)
from serving.client.images import PreparedImage, image_error
from serving.results import (
    Answer,
    Explanation,
    ImageError,
    Metadata,
    Prediction,
    Segmentation,
    ServingError,
    VersionStatus,
    signature_of,
)
from serving.wire import messages_pb2 as pb
from serving.wire import methods
from serving.wire.tensors import TensorError, fill_proto, to_array

T = TypeVar("T")


Exchange = Generator[tuple[Method, Message], Any, T]  # a message, and where it goes

_CLASSES = names.OUTPUT_CLASSES  # which a model of another maker need not have
# How the embedded server tells which row of a request it cannot read.
_POSITION = re.compile(r"inputs? [\w, ]+, position (\d+): ")
# How gRPC, on either side, and the embedded server tell that a message is too large.
_OF_THE_SIZE = ("message larger than max", "bytes, at most")
# How either server tells that a signature lacks an output that is asked for.
_NO_CLASSES = re.compile(rf"alias not found in signature: {_CLASSES}\b")
# Words of refusals that no other image would change.
_OF_THE_REQUEST = ("signature", "Expects ", names.INPUT_CLASS_INDEX, "ModelSpec", "alias", "label:")


@dataclass(frozen=True)
class Question(Generic[T]):
    """A question about images.

    Attributes:
        signature: who answers it.
        outputs: what is asked for. A model of another maker need not tell its class names, the
            last of them: then `read` gets one output less.
        read: makes the result of one image from its outputs, in that order.
        class_index: sent along if not None.
    """

    signature: str
    outputs: tuple[str, ...]
    read: Callable[..., T]
    class_index: int | None = None

    def inputs(self, images: Sequence[PreparedImage]) -> dict[str, np.ndarray]:
        """What is sent for a batch."""
        encoded = np.empty(len(images), object)
        encoded[:] = [image.encoded for image in images]
        inputs = {names.INPUT_IMAGE_BYTES: encoded}
        if self.class_index is not None:
            inputs[names.INPUT_CLASS_INDEX] = np.full(len(images), self.class_index, np.int32)
        return inputs


def _read_prediction(
    label: bytes, probability: float, probabilities: np.ndarray, classes: Sequence[bytes] = ()
) -> Prediction:
    return Prediction(label.decode("utf-8"), float(probability), *_by_class(probabilities, classes))


def _read_segmentation(
    mask: np.ndarray, png: bytes, fractions: np.ndarray, classes: Sequence[bytes] = ()
) -> Segmentation:
    return Segmentation(mask, png, *_by_class(fractions, classes))


def _read_explanation(
    label: bytes, probability: float, heatmap: np.ndarray, overlay: bytes
) -> Explanation:
    return Explanation(label.decode("utf-8"), float(probability), heatmap, overlay)


def _by_class(
    values: np.ndarray, classes: Sequence[bytes]
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Values and class names; where the model does not tell one for each value, positions."""
    told = len(classes) == len(values)
    known = [one.decode("utf-8") for one in classes] if told else map(str, range(len(values)))
    return tuple(map(float, values)), tuple(known)


CLASSIFY = Question(
    names.SIGNATURE_SERVING,
    (names.OUTPUT_LABEL, names.OUTPUT_PROBABILITY, names.OUTPUT_PROBABILITIES, _CLASSES),
    _read_prediction,
)
SEGMENT = Question(
    names.SIGNATURE_SERVING,
    (names.OUTPUT_MASK, names.OUTPUT_MASK_PNG, names.OUTPUT_CLASS_FRACTIONS, _CLASSES),
    _read_segmentation,
)


def explaining(class_index: int) -> Question[Explanation]:
    """The question why an image is of a class; -1: the model's own choice."""
    outputs = (
        names.OUTPUT_LABEL,
        names.OUTPUT_PROBABILITY,
        names.OUTPUT_HEATMAP,
        names.OUTPUT_OVERLAY_PNG,
    )
    return Question(names.SIGNATURE_GRAD_CAM, outputs, _read_explanation, class_index)


def ask(
    question: Question[T], images: Sequence[PreparedImage], connection: Connection
) -> Exchange[list[Answer[T]]]:
    """Asks about a batch; an image that is refused does not keep the others from an answer.

    A server that names the position of the bad image is asked again without it. Of one that
    does not, as TensorFlow Serving, the rest of the batch is asked one by one. A batch whose
    request or response is larger than a message may be is asked by halves.

    Args:
        question: what is asked.
        images: the batch.
        connection: the model; outputs that it has not are noted there.

    Returns:
        One answer per image, in order.

    Raises:
        ServingError: the server refuses whatever the images are.
    """
    answers = {one.position: Answer[T](one.position, one.image, error=one.error) for one in images}
    left = [one for one in images if one.error is None]
    step = len(left)
    while left:
        asked = left[:step]
        wanted = [name for name in question.outputs if name not in connection.lacking]
        try:
            inputs = question.inputs(asked)
            outputs = yield from call(question.signature, inputs, wanted, connection.spec())
        except ServingError as error:
            if _CLASSES in wanted and _NO_CLASSES.search(error.details):
                connection.lacking.add(_CLASSES)
            elif _too_large(error) and len(asked) > 1:
                step = len(asked) // 2
            elif found := _bad_image(error, asked):
                bad, refusal = found
                answers[bad.position] = Answer(bad.position, bad.image, error=refusal)
                left.remove(bad)
            else:
                step = 1
            continue
        for one, row in zip(asked, _rows(outputs, wanted, len(asked)), strict=True):
            answers[one.position] = Answer(one.position, one.image, question.read(*row))
        left = left[step:]
    return list(answers.values())


def _too_large(error: ServingError) -> bool:
    """Whether it is the size of a message, of either side's limit."""
    exhausted = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    return exhausted and any(words in error.details for words in _OF_THE_SIZE)


def _bad_image(
    error: ServingError, asked: Sequence[PreparedImage]
) -> tuple[PreparedImage, ImageError] | None:
    """The image that the server refuses, and what it tells; None: one of several.

    Raises:
        ServingError: it is not about an image.
    """
    named = _POSITION.match(error.details)
    told = error.details[named.end() :] if named else error.details
    if error.code is not grpc.StatusCode.INVALID_ARGUMENT or any(
        words in told for words in _OF_THE_REQUEST
    ):
        raise error
    if named and int(named[1]) < len(asked):
        bad = asked[int(named[1])]
    elif len(asked) == 1:
        bad = asked[0]
    else:
        return None
    return bad, image_error(bad.image, bad.position, f"the server refuses it: {told}")


def _rows(outputs: Mapping[str, np.ndarray], wanted: Sequence[str], count: int) -> list[tuple]:
    """The outputs of each image."""
    for name in wanted:
        shape = outputs[name].shape if name in outputs else None
        if shape is None or shape[:1] != (count,):
            found = "none" if shape is None else f"shape {list(shape)}"
            raise ServingError(
                grpc.StatusCode.INTERNAL, f"output {name}: expected {count} rows, found {found}"
            )
    return list(zip(*(outputs[name] for name in wanted), strict=True))


def call(
    signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str], spec: pb.ModelSpec
) -> Exchange[dict[str, np.ndarray]]:
    """Runs a signature; see `ImageClient.call`."""
    message = pb.PredictRequest(model_spec=spec, output_filter=outputs)
    message.model_spec.signature_name = signature
    for name, value in inputs.items():
        fill_proto(message.inputs[name], np.asarray(value))
    response = yield PREDICT, message
    try:
        return {name: to_array(proto) for name, proto in response.outputs.items()}
    except TensorError as error:
        raise ServingError(grpc.StatusCode.INTERNAL, f"an unreadable answer: {error}") from error


def metadata(spec: pb.ModelSpec) -> Exchange[Metadata]:
    """Asks which version serves, and its signatures."""
    message = pb.GetModelMetadataRequest(model_spec=spec, metadata_field=[methods.METADATA_FIELD])
    response = yield GET_MODEL_METADATA, message
    packed = response.metadata[methods.METADATA_FIELD]
    signatures = pb.SignatureDefMap.FromString(packed.value).signature_def
    return Metadata(
        version=response.model_spec.version.value,
        signatures={
            name: signature_of(signature)
            for name, signature in sorted(signatures.items())
            if not name.startswith("__")  # TensorFlow's own, like __saved_model_init_op
        },
    )


def status(spec: pb.ModelSpec) -> Exchange[list[VersionStatus]]:
    """Asks for the state of each version that the server knows, ascending."""
    response = yield GET_MODEL_STATUS, pb.GetModelStatusRequest(model_spec=spec)
    return [
        VersionStatus(
            one.version, pb.ModelVersionStatus.State.Name(one.state), one.status.error_message
        )
        for one in sorted(response.model_version_status, key=lambda one: one.version)
    ]
