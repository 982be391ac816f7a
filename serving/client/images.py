"""Images on their way out: any kind of input to encoded bytes, and so many to a request."""

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from serving.errors import InputError
from serving.results import ImageError

if TYPE_CHECKING:
    import PIL.Image

Image = Union[str, "os.PathLike[str]", bytes, np.ndarray, "PIL.Image.Image"]

# A request holds at most this many images, and at most half of what a message may hold.
BATCH_SIZE = 8
# What a request says besides its images.
_ROOM_BYTES = 4096
_KINDS = "a path, bytes, a Pillow image or a uint8 array [h, w, 3] or [h, w]"
# Little work for an image that travels once; the pixels are the same.
_PNG_COMPRESSION = 1


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """One input, ready to send.

    Attributes:
        position: of all inputs, from 0.
        image: as it was given.
        encoded: JPEG, PNG, GIF, BMP or WebP bytes.
        error: why it cannot be sent.
    """

    position: int
    image: Image
    encoded: bytes = b""
    error: ImageError | None = None


class RequestPacker:
    """Reads images and puts them into batches of a bounded number and size."""

    def __init__(self, batch_size: int, max_message_bytes: int):
        self._count = batch_size
        self._limit = max_message_bytes
        self._position = 0
        self._batch: list[PreparedImage] = []
        self._filled = 0

    def add(self, image: Image) -> list[PreparedImage]:
        """Takes an image; the batch that it made full, or an empty one."""
        prepared = _prepare(self._position, image, self._limit)
        self._position += 1
        done: list[PreparedImage] = []
        if self._batch and self._filled + len(prepared.encoded) > self._limit // 2:
            done = self.rest()
        self._batch.append(prepared)
        self._filled += len(prepared.encoded)
        if not done and len(self._batch) == self._count:
            done = self.rest()
        return done

    def rest(self) -> list[PreparedImage]:
        """What is not in a batch yet."""
        batch, self._batch, self._filled = self._batch, [], 0
        return batch


def _prepare(position: int, image: Image, max_message_bytes: int) -> PreparedImage:
    """Reads and encodes an image; what is wrong with it becomes its `error`."""
    try:
        encoded = encode(image, position)
        if len(encoded) > max_message_bytes - _ROOM_BYTES:
            limit, size = max_message_bytes / 2**20, len(encoded) / 2**20
            raise _unfit(image, position, f"a message of at most {limit:g} MiB", f"{size:.2f} MiB")
    except ImageError as error:
        return PreparedImage(position, image, error=error)
    return PreparedImage(position, image, encoded)


def encode(image: Image, position: int = 0) -> bytes:
    """Encoded bytes of an image; what is encoded already stays as it is.

    Args:
        image: path of a file; encoded bytes; Pillow image; or uint8 array [h, w, 3] (RGB) or
            [h, w] (grey). The last two become PNG.
        position: of the image among all inputs, for errors.

    Raises:
        ImageError: no such file, or no image at all.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str | os.PathLike):
        return _read(Path(image), position)
    if isinstance(image, np.ndarray):
        _check_array(image, position)
        from PIL import Image as pillow

        return _png(pillow.fromarray(np.ascontiguousarray(image)))
    if _is_pillow(image):
        return _from_pillow(image, position)
    raise _unfit(image, position, _KINDS, f"{type(image).__name__}")


def check_many(images: Any) -> None:
    """Refuses a single image where an iterable of images belongs.

    Raises:
        InputError: an array would be taken apart by rows, a path by letters.
    """
    array = isinstance(images, np.ndarray) and images.ndim < 4
    if array or _is_pillow(images) or isinstance(images, str | os.PathLike | bytes | bytearray):
        raise InputError(
            "images",
            expected="a list or another iterable of images",
            found=f"one {type(images).__name__}",
            todo="put it into a list",
        )


def check_image(path: Path, position: int = 0) -> None:
    """Raises a ImageError unless the path is a file."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise _unfit(path, position, "an image file", found)


def _read(path: Path, position: int) -> bytes:
    check_image(path, position)
    try:
        return path.read_bytes()
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise _unfit(path, position, "an image file", found) from error


def _check_array(image: np.ndarray, position: int) -> None:
    fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not fits or image.size == 0:
        found = f"{image.dtype} {list(image.shape)}"
        raise _unfit(image, position, "a uint8 array [h, w, 3] or [h, w]", found)


def _is_pillow(image: Any) -> bool:
    # Whoever has a Pillow image has imported Pillow: this never does.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(image, pillow.Image)


def _from_pillow(image: "PIL.Image.Image", position: int) -> bytes:
    if image.mode.startswith(("I", "F")):  # would be cut off at 255
        raise _unfit(image, position, "8 bits a channel", f"a Pillow image {image.mode}")
    try:
        return _png(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except OSError as error:  # Pillow reads a file only once its pixels are needed
        raise _unfit(image, position, "a readable image", str(error)) from error


def _png(image: "PIL.Image.Image") -> bytes:
    buffer = io.BytesIO()
    # With the orientation that EXIF tells, as if the file itself had been sent.
    image.save(buffer, "PNG", compress_level=_PNG_COMPRESSION, exif=image.getexif())
    return buffer.getvalue()


def image_error(image: Any, position: int, reason: str) -> ImageError:
    """What is wrong with an image, called by its path or else by its position."""
    named = isinstance(image, str | os.PathLike)
    return ImageError(os.fspath(image) if named else f"at position {position}", position, reason)


def _unfit(image: Any, position: int, expected: str, found: str) -> ImageError:
    return image_error(image, position, f"expected {expected}, found {found}")
