"""What the client answers with, and what it raises."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import numpy as np

from serving.errors import FailedError, InputError
from serving.wire.messages_pb2 import SignatureDef, TensorInfo
from serving.wire.tensors import dtype_name

_Result = TypeVar("_Result")


class ServingError(FailedError):
    """The server refused or failed.

    Args:
        code: the gRPC status.
        details: what the server told.
    """

    def __init__(self, code: grpc.StatusCode, details: str):
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


class ImageError(InputError):
    """An image that cannot be sent, or that the server refuses.

    Args:
        name: its path, or where it stands among the inputs.
        position: among all inputs, from 0.
        reason: what is wrong with it.
    """

    def __init__(self, name: str, position: int, reason: str):
        super().__init__(f"image {name}: {reason}")
        self.name = name
        self.position = position
        self.reason = " ".join(reason.split())


@dataclass(frozen=True, eq=False)
class Answer(Generic[_Result]):
    """What became of one image of a stream.

    Attributes:
        position: of the image among all inputs, from 0.
        image: the image as it was given: path, bytes, Pillow image or array.
        error: why there is no result; None: there is one.
    """

    position: int
    image: Any
    value: _Result | None = None
    error: ImageError | None = None

    @property
    def result(self) -> _Result:
        """The result.

        Raises:
            ImageError: there is none.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # one of the two is there


@dataclass(frozen=True)
class Prediction:
    """What an image shows.

    Attributes:
        label: the predicted class.
        probability: of that class, in [0, 1].
        probabilities: of each class; sum 1.
        classes: their names, in the same order; positions where the model tells no names.
    """

    label: str
    probability: float
    probabilities: tuple[float, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in an image a class is seen.

    Attributes:
        label: the explained class.
        probability: of that class, in [0, 1].
        heatmap: float32 [height, width] in [0, 1], at model size.
        overlay_png: the heat map over the image, an RGB PNG of the image's own size.
    """

    label: str
    probability: float
    heatmap: np.ndarray
    overlay_png: bytes


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Which pixel belongs to what.

    Attributes:
        mask: uint8 [height, width], positions in `classes`, at model size.
        mask_png: the mask as 8-bit grey PNG of class ids.
        class_fractions: share of pixels of each class; sum 1.
        classes: their names, in the same order; positions where the model tells no names.
    """

    mask: np.ndarray
    mask_png: bytes
    class_fractions: tuple[float, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Tensor:
    """Type and shape of a signature's input or output; -1 is any size, None any rank."""

    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a signature; `optional` names the inputs that have a default."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    optional: tuple[str, ...]


@dataclass(frozen=True)
class Metadata:
    """The version that serves and its signatures."""

    version: int
    signatures: dict[str, Signature]


@dataclass(frozen=True)
class VersionStatus:
    """State of a version: `AVAILABLE`, `LOADING`, `END`..., and its error if it has one."""

    version: int
    state: str
    error: str


def signature_of(proto: SignatureDef) -> Signature:
    """Reads a signature as a server tells it."""
    return Signature(_tensors(proto.inputs), _tensors(proto.outputs), tuple(sorted(proto.defaults)))


def _tensors(infos: Mapping[str, TensorInfo]) -> dict[str, Tensor]:
    return {
        name: Tensor(
            dtype_name(info.dtype),
            None
            if info.tensor_shape.unknown_rank
            else tuple(dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(infos.items())
    }
