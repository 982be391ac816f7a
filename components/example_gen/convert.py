"""One picture on disk (and its mask) to one Example, or the reason why not."""

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from components import features as f
from components.datasets import Picture
from components.example_gen.split_key import split_key
from components.preprocessing import MAX_PIXELS, decode_pixels

MIN_SIDE = 16  # pixels, as stored; smaller pictures show nothing
MIN_FOREGROUND = 0.001  # share of a stored mask's pixels; the schemas' bound
JPEG_QUALITY = 95  # for pictures that had to be shrunk
TRIMAP_VALUES = (1, 2, 3)  # on disk; stored as 0, 1, 2


class RejectedError(Exception):
    """This input cannot become an Example.

    Attributes:
        reason: a short text that counts are kept by.
        detail: what was found in this file.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Converted(NamedTuple):
    """An Example and what decides about it.

    Attributes:
        path: of the picture or the point, relative to the data folder.
        number: its file number, if it has one.
        label: its class, if it has one.
        key: its split key.
        digest: SHA-256 of its pixels as decoded, or of its coordinates.
        example: the serialized tf.train.Example.
    """

    path: str
    number: int | None
    label: int | None
    key: str
    digest: str
    example: bytes


def convert(root: Path, picture: Picture, max_side: int) -> Converted:
    """Reads, checks, bounds and encodes one picture.

    Args:
        root: the data folder.
        picture: what the layout's reader found.
        max_side: longest side of the stored picture in pixels.

    Raises:
        RejectedError: the picture or its mask is unusable.
    """
    if picture.problem:
        raise RejectedError(picture.problem)
    encoded = _read(root / picture.path)
    pixels = _decode(encoded)
    mask = None
    if picture.mask_path is not None:
        mask = _decode_trimap(_read(root / picture.mask_path), pixels.shape[:2])
    height, width = _bounded(pixels.shape[0], pixels.shape[1], max_side)
    # As stored: a strip of 20 x 4000 pixels would be shrunk to 3 x 512.
    if min(height, width) < MIN_SIDE:
        raise RejectedError("too small", f"{width}x{height} pixels, at least {MIN_SIDE} a side")
    if (height, width) != pixels.shape[:2]:
        encoded = _shrunk_jpeg(pixels, height, width)
    example = _example(picture, encoded, height, width)
    key = split_key(pixels)
    add_bytes(example, f.KEY, key.encode())
    if mask is not None:
        _add_mask(example, mask, height, width)
    return Converted(
        path=picture.path,
        number=picture.number,
        label=picture.label,
        key=key,
        digest=hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest(),
        example=example.SerializeToString(deterministic=True),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RejectedError("unreadable file", error.strerror or str(error)) from error


def _decode(encoded: bytes) -> np.ndarray:
    """Decodes with the very function that training and serving use; uint8 [height, width, 3]."""
    if not encoded:
        raise RejectedError("not a picture", "empty file")
    _check_size(encoded)
    try:
        pixels = decode_pixels(tf.constant(encoded)).numpy()
    except tf.errors.InvalidArgumentError as error:
        detail = " ".join(error.message.split())[:160]
        raise RejectedError("not a picture", detail) from error
    return pixels


def _check_size(encoded: bytes) -> None:
    """Refuses by the header what would not fit in memory."""
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError as error:  # Pillow's own bound, above ours
        raise RejectedError("too large", str(error)) from error
    except OSError as error:
        raise RejectedError("not a picture", str(error).partition("<")[0].strip()) from error
    if pixels > MAX_PIXELS:
        raise RejectedError("too large", f"{pixels} pixels, at most {MAX_PIXELS} allowed")


def _decode_trimap(encoded: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Class ids uint8 [height, width] from a trimap PNG (grey or palette)."""
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            trimap = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RejectedError("unreadable mask", str(error).partition("<")[0].strip()) from error
    if trimap.shape != shape:
        raise RejectedError("mask of another size", f"{trimap.shape} for a picture of {shape}")
    values = np.unique(trimap)
    if not np.isin(values, TRIMAP_VALUES).all():
        raise RejectedError("mask values", f"{values.tolist()[:8]}, expected 1, 2 and 3")
    return (trimap - TRIMAP_VALUES[0]).astype(np.uint8)


def _bounded(height: int, width: int, max_side: int) -> tuple[int, int]:
    longest = max(height, width)
    if longest <= max_side:
        return height, width
    scale = max_side / longest
    return max(1, round(height * scale)), max(1, round(width * scale))


def _shrunk_jpeg(pixels: np.ndarray, height: int, width: int) -> bytes:
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _example(picture: Picture, encoded: bytes, height: int, width: int) -> tf.train.Example:
    example = tf.train.Example()
    add_bytes(example, f.IMAGE, encoded)
    add_bytes(example, f.FILENAME, picture.path.encode())
    orientation = (width < height) + 2 * (width == height)
    add_bytes(example, f.ORIENTATION, f.ORIENTATIONS[orientation].encode())
    example.features.feature[f.WIDTH].int64_list.value.append(width)
    example.features.feature[f.HEIGHT].int64_list.value.append(height)
    if picture.label is not None:
        example.features.feature[f.LABEL].int64_list.value.append(picture.label)
        add_bytes(example, f.LABEL_NAME, f.CLASS_NAMES[picture.label].encode())
    return example


def _add_mask(example: tf.train.Example, mask: np.ndarray, height: int, width: int) -> None:
    # Nearest neighbour, as everywhere: a blurred class id would be another class.
    stored = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
    counts = np.bincount(np.asarray(stored).ravel(), minlength=len(f.MASK_FRACTIONS))
    fractions = counts / counts.sum()
    if fractions[0] <= MIN_FOREGROUND:
        share = f"{fractions[0]:.4%} of the pixels, more than {MIN_FOREGROUND:.1%} needed"
        raise RejectedError("mask without foreground", share)
    buffer = io.BytesIO()
    stored.save(buffer, "PNG")
    add_bytes(example, f.MASK, buffer.getvalue())
    for name, fraction in zip(f.MASK_FRACTIONS, fractions, strict=True):
        example.features.feature[name].float_list.value.append(fraction)


def add_bytes(example: tf.train.Example, key: str, value: bytes) -> None:
    """Sets a bytes feature of one value."""
    example.features.feature[key].bytes_list.value.append(value)
