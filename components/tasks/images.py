"""One encoded image to one Example, or the reason why not: what all tasks of images share.

The split key of an image is the perceptual hash (pHash) of the decoded pixels, so an image that was
re-encoded or resized keeps its key, and with it its split. 25 bits are a measured compromise: of
500 cat and dog pictures, re-encoded or halved, 98-99% keep a 25-bit key (95-97% a 64-bit one), and
no two different ones share one. Two images that do share a key only share a split. Final: a change
moves data.
"""

import hashlib
import re
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from components import features as f
from components.datasets.examples import make_example
from components.datasets.pictures import NO_PICTURE, check, encode, fit, load, read, turned
from components.datasets.records import Record
from components.preprocessing import decode_pixels
from components.tasks import schemas
from components.tasks.parts import Converted, Data, RejectedError
from serving.pictures import orientation, picture_format

MIN_SIDE = 16  # pixels, as stored; smaller images show nothing
MAX_SIDE = 4096  # pixels: the largest `max_side` that a configuration may ask for
JPEG_QUALITY = 95  # for images that had to be shrunk
HASH_SIZE = 5  # pHash keeps the lowest HASH_SIZE x HASH_SIZE frequencies, one bit each
TRANSCODED = ("GIF", "BMP", "WEBP")  # stored as PNG where TensorFlow does not take them


class Sizes(NamedTuple):
    """Height and width of an image, upright."""

    decoded: tuple[int, int]
    stored: tuple[int, int]  # shrunk to the longest side that is allowed
    orientation: int = 1  # by EXIF, of the file that it came in


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
        given = read(root, record.path, record.content)
        encoded, pixels = decode(given)
        size = (pixels.shape[0], pixels.shape[1])
        height, width = fit(*size, max_side)
        # As stored: a strip of 20 x 4000 pixels would be shrunk to 3 x 512.
        if min(height, width) < MIN_SIDE:
            raise RejectedError("too small", f"{width}x{height} pixels, at least {MIN_SIDE} a side")
        if (height, width) != size:
            shrunk = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
            encoded = encode(shrunk, "JPEG", quality=JPEG_QUALITY)
        key = split_key(pixels)
        tag = orientation(given)
        label, shown = self.truth(root, record, Sizes(size, (height, width), tag))
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
            turned=tag > 1,
        )

    def schema(self) -> Any:
        """See `Data.schema`."""
        sides = [schemas.integers(name, MIN_SIDE, MAX_SIDE) for name in (f.WIDTH, f.HEIGHT)]
        return schemas.schema(*sides, schemas.texts(f.ORIENTATION, f.ORIENTATIONS))


def split_key(pixels: np.ndarray) -> str:
    """Perceptual hash of uint8 [height, width, 3], RGB, as decoded: hexadecimal digits."""
    return str(imagehash.phash(Image.fromarray(pixels), hash_size=HASH_SIZE))


def decode(encoded: bytes) -> tuple[bytes, np.ndarray]:
    """Decodes with the very function that training and serving use.

    Returns:
        The bytes to store, which carry no EXIF orientation: those given, or of what is turned
        upright, or what Pillow alone can read (WebP, some GIF and BMP), a PNG of the first frame;
        and the pixels, uint8 [height, width, 3], RGB, upright.

    Raises:
        RejectedError: they are no image, or one too large to hold.
    """
    check(encoded)
    kind = picture_format(encoded)
    # TensorFlow takes a BMP's palette indices for grey; its older versions, which a model may meet
    # in serving, know no WebP.
    if kind != "WebP" and not (kind == "BMP" and load(encoded, "BMP").mode == "P"):
        try:
            pixels = decode_pixels(tf.constant(encoded)).numpy()
        except tf.errors.OpError as error:
            if kind not in TRANSCODED:
                # Which of TensorFlow's functions it was tells nobody anything.
                detail = " ".join(re.sub(r"\{\{.*?\}\}", "", error.message).split())[:160]
                raise RejectedError(NO_PICTURE, detail) from error
        else:
            upright = orientation(encoded) > 1
            return encode(Image.fromarray(pixels), "PNG") if upright else encoded, pixels
    image = turned(load(encoded, *TRANSCODED).convert("RGB"), orientation(encoded))
    return encode(image, "PNG"), np.asarray(image)
