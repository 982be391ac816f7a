"""One encoded image to one Example, or the reason why not: what all tasks of images share.

The split key of an image is the perceptual hash (pHash) of the decoded pixels, so an image that was
re-encoded or resized keeps its key, and with it its split. 25 bits are a measured compromise: of
500 cat and dog pictures, re-encoded or halved, 98-99% keep a 25-bit key (95-97% a 64-bit one), and
no two different ones share one. Two images that do share a key only share a split. Final: a change
moves data.
"""

import hashlib
import io
import re
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from components import features as f
from components.datasets.examples import make_example
from components.datasets.records import Record
from components.preprocessing import MAX_PIXELS, decode_pixels
from components.tasks import schemas
from components.tasks.parts import Converted, Data, RejectedError

MIN_SIDE = 16  # pixels, as stored; smaller images show nothing
MAX_SIDE = 4096  # pixels: the largest `max_side` that a configuration may ask for
JPEG_QUALITY = 95  # for images that had to be shrunk
HASH_SIZE = 5  # pHash keeps the lowest HASH_SIZE x HASH_SIZE frequencies, one bit each
# Height and width of an image as decoded, and as stored.
Sizes = tuple[tuple[int, int], tuple[int, int]]
TRANSCODED = ("GIF", "BMP", "WEBP")  # stored as PNG where TensorFlow does not take them


class ImageData(Data):
    """Base of the data parts of tasks whose Examples are images."""

    @abstractmethod
    def truth(self, root: Path, record: Record, sizes: Sizes) -> tuple[int | None, dict[str, Any]]:
        """Class of an image, an index (None: it has one a pixel); what its Example holds of that.

        Raises:
            RejectedError: the truth is unusable.
        """

    def convert(self, root: Path, record: Record, max_side: int) -> Converted:
        """See `Data.convert`."""
        encoded, pixels = decode(read(root, record.path, record.content))
        size = (pixels.shape[0], pixels.shape[1])
        height, width = _bounded(*size, max_side)
        # As stored: a strip of 20 x 4000 pixels would be shrunk to 3 x 512.
        if min(height, width) < MIN_SIDE:
            raise RejectedError("too small", f"{width}x{height} pixels, at least {MIN_SIDE} a side")
        if (height, width) != size:
            shrunk = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
            encoded = encode(shrunk, "JPEG", quality=JPEG_QUALITY)
        key = split_key(pixels)
        label, shown = self.truth(root, record, (size, (height, width)))
        example = make_example(
            {
                f.IMAGE: encoded,
                f.FILENAME: record.path,
                f.KEY: key,
                f.ORIENTATION: f.ORIENTATIONS[(width < height) + 2 * (width == height)],
                f.WIDTH: width,
                f.HEIGHT: height,
            }
            | shown
        )
        return Converted(
            record=replace(record, content=None, mask=None),
            label=label,
            key=key,
            digest=hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
            example=example.SerializeToString(deterministic=True),
        )

    def schema(self) -> Any:
        """See `Data.schema`."""
        sides = [schemas.integers(name, MIN_SIDE, MAX_SIDE) for name in (f.WIDTH, f.HEIGHT)]
        return schemas.schema(*sides, schemas.texts(f.ORIENTATION, f.ORIENTATIONS))


def split_key(pixels: np.ndarray) -> str:
    """Perceptual hash of uint8 [height, width, 3], RGB, as decoded: hexadecimal digits."""
    return str(imagehash.phash(Image.fromarray(pixels), hash_size=HASH_SIZE))


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


def decode(encoded: bytes) -> tuple[bytes, np.ndarray]:
    """Decodes with the very function that training and serving use.

    Returns:
        The bytes that it decodes: those given, or where only Pillow can read them (WebP, some GIF
        and BMP) a PNG of the first frame; and the pixels, uint8 [height, width, 3], RGB.

    Raises:
        RejectedError: they are no image, or one too large to hold.
    """
    if not encoded:
        raise RejectedError("not a picture", "empty file")
    kind, mode = _checked_kind(encoded)
    # TensorFlow takes a BMP's palette indices for grey; its older versions, which a model may meet
    # in serving, know no WebP.
    if kind != "WEBP" and (kind, mode) != ("BMP", "P"):
        try:
            return encoded, decode_pixels(tf.constant(encoded)).numpy()
        except tf.errors.InvalidArgumentError as error:
            if kind not in TRANSCODED:
                # Which of TensorFlow's functions it was tells nobody anything.
                detail = " ".join(re.sub(r"\{\{.*?\}\}", "", error.message).split())[:160]
                raise RejectedError("not a picture", detail) from error
    encoded = _transcoded(encoded)
    return encoded, decode_pixels(tf.constant(encoded)).numpy()


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as a file of that kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _checked_kind(encoded: bytes) -> tuple[str, str]:
    """Format and mode by the header; refuses what would not fit in memory."""
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            pixels, kind = image.width * image.height, (str(image.format), image.mode)
    except Image.DecompressionBombError as error:  # Pillow's own bound, above ours
        raise RejectedError("too large", str(error)) from error
    except OSError as error:
        raise RejectedError("not a picture", str(error).partition("<")[0].strip()) from error
    if pixels > MAX_PIXELS:
        raise RejectedError("too large", f"{pixels} pixels, at most {MAX_PIXELS} allowed")
    return kind


def _transcoded(encoded: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(encoded), formats=TRANSCODED) as image:
            return encode(image.convert("RGB"), "PNG")
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise RejectedError("not a picture", str(error).partition("<")[0].strip()) from error


def _bounded(height: int, width: int, max_side: int) -> tuple[int, int]:
    longest = max(height, width)
    if longest <= max_side:
        return height, width
    scale = max_side / longest
    return max(1, round(height * scale)), max(1, round(width * scale))
