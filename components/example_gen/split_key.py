"""Split keys of pictures and points, and the split they belong to. Final: a change moves data.

The key of a picture is the perceptual hash (pHash) of the decoded pixels, so a picture that was
re-encoded or resized keeps its key, and with it its split. 25 bits are a measured compromise: of
500 cat and dog pictures, re-encoded or halved, 98-99% keep a 25-bit key (95-97% a 64-bit one), and
no two different ones share one. Two pictures that do share a key only share a split. The key of a
point is a hash of its coordinates.
"""

import bisect
import hashlib
import itertools
import struct

import imagehash
import numpy as np
from PIL import Image

HASH_SIZE = 5  # pHash keeps the lowest HASH_SIZE x HASH_SIZE frequencies, one bit each


def split_key(pixels: np.ndarray) -> str:
    """Perceptual hash of a picture.

    Args:
        pixels: uint8 [height, width, 3], RGB, as decoded.

    Returns:
        Lower-case hexadecimal digits.
    """
    return str(imagehash.phash(Image.fromarray(pixels), hash_size=HASH_SIZE))


def point_key(x: float, y: float) -> str:
    """Hash of a point's coordinates: equal points have equal keys, whatever their labels.

    Args:
        x, y: finite, exact in float32.

    Returns:
        64 lower-case hexadecimal digits.
    """
    # Adding zero makes -0.0, which equals 0.0, the same bytes.
    return hashlib.sha256(struct.pack("<2f", x + 0.0, y + 0.0)).hexdigest()


def split_index(key: str, buckets: list[int]) -> int:
    """Which split a key belongs to: SHA-256 of the key modulo all buckets.

    Args:
        key: see `split_key` and `point_key`.
        buckets: number of hash buckets of each split; their ratio is that of the splits.
    """
    bounds = list(itertools.accumulate(buckets))
    bucket = int(hashlib.sha256(key.encode()).hexdigest(), 16) % bounds[-1]
    return bisect.bisect(bounds, bucket)


# The book's `small` subset of cats-vs-dogs by file number of each class (listing 8.6).
BOOK_SMALL_BOUNDS = (1000, 1500, 2500)


def book_small_index(number: int | None) -> int | None:
    """Index of the split that the book puts file `number` of a class in; None: in no split."""
    if number is None or number >= BOOK_SMALL_BOUNDS[-1]:
        return None
    return bisect.bisect(BOOK_SMALL_BOUNDS, number)
