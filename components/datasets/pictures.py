"""Files that users bring, to pictures: what is wrong with one is a reason, whatever it is."""

import io
import math
from pathlib import Path
from typing import Any

from PIL import Image

from components.tasks.parts import RejectedError
from serving.pictures import FORMATS, MAX_PIXELS, picture_format, told_size

NO_PICTURE, TOO_LARGE = "not a picture", "too large"
_PNG, _TEXTS = b"\x89PNG\r\n\x1a\n", (b"iCCP", b"iTXt", b"tEXt", b"zTXt")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(root: Path, path: str, content: bytes | None) -> bytes:
    """The content of a file, or what was read of it already.

    Raises:
        RejectedError: it cannot be read.
    """
    if content is not None:
        return content
    try:
        return (root / path).read_bytes()
    except OSError as error:
        raise RejectedError("unreadable file", error.strerror or str(error)) from error


def check(encoded: bytes) -> tuple[int, int]:
    """Width and height as stored, by the header of a picture that will be decoded.

    Raises:
        RejectedError: it is in none of the formats, or too large to hold.
    """
    if not encoded:
        raise RejectedError(NO_PICTURE, "empty file")
    if picture_format(encoded) is None:
        raise RejectedError(NO_PICTURE, f"expected {FORMATS}, begins with {encoded[:8]!r}")
    size = told_size(encoded)
    if size is None:
        raise RejectedError(NO_PICTURE, "its header tells no size")
    _check_pixels(size)
    return size


def load(encoded: bytes, *formats: str) -> Image.Image:
    """What Pillow decodes, as stored, in its own mode; by default of any format.

    Raises:
        RejectedError: it is none of the formats, broken, or too large to hold.
    """
    _check_pixels(told_size(encoded) or (0, 0))  # a GIF's frame may exceed its screen
    try:
        with Image.open(io.BytesIO(_without_texts(encoded)), formats=formats or None) as image:
            _check_pixels(image.size)
            image.load()
            return image
    except RejectedError:
        raise
    except Exception as error:  # its decoders let anything escape: IndexError, ...
        told = str(error).partition("<")[0].strip() or type(error).__name__
        raise RejectedError(NO_PICTURE, told[:160]) from error


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """A picture as stored to the picture as seen, by its EXIF orientation."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as a file of that kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def fit(width: int, height: int, side: int) -> tuple[int, int]:
    """Two sides in the same ratio, none above `side`, never enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _check_pixels(size: tuple[int, int]) -> None:
    if math.prod(size) > MAX_PIXELS:
        raise RejectedError(TOO_LARGE, f"{math.prod(size)} pixels, at most {MAX_PIXELS} allowed")


def _without_texts(encoded: bytes) -> bytes:
    """A PNG without texts and color profile, as Pillow refuses it for the size of one."""
    if not encoded.startswith(_PNG):
        return encoded
    kept, at = [_PNG], len(_PNG)
    while at < len(encoded):
        end = at + 12 + int.from_bytes(encoded[at : at + 4])  # size, name and checksum beside it
        if encoded[at + 4 : at + 8] not in _TEXTS:
            kept.append(encoded[at:end])
        at = end
    return b"".join(kept)
