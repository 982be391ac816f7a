"""What the first bytes of an encoded picture tell: format, size, and which side is up.

Nothing is decoded, and no byte string raises: what is no picture tells nothing. The exported graph
reads the same with TensorFlow's operations (components/headers.py), from the same lists.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import numpy as np

# A decompression bomb rather than a photograph: a file of a megabyte may stand for gigabytes.
MAX_PIXELS = 50_000_000
MAX_REQUEST_PIXELS = 100_000_000  # of all pictures of a request together

# The formats that are decoded, each by what stands where in its first bytes.
MAGIC = {
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "PNG": ((0, b"\x89PNG\r\n\x1a\n"), (12, b"IHDR")),
    "GIF": ((0, b"GIF8"),),
    "BMP": ((0, b"BM"),),
    # libwebp would also take a frame without its chunk.
    "WebP": ((0, b"RIFF"), (8, b"WEBPVP8")),
}
FORMATS = "JPEG, PNG, GIF, BMP or WebP"
MAX_BLOCKS = 20_000  # of a GIF, to the end of its first frame
_MAX_STEPS = 4096  # here: in front of a GIF's or JPEG's frame

# EXIF follows this word, looked for in so many first bytes; in WebP it comes after the pixels. In
# front of it are a chunk's size (WebP) and JPEG's word, which some writers put elsewhere, too.
EXIF = {"JPEG": (b"Exif\0\0", 2**16), "PNG": (b"eXIf", 2**16), "WebP": (b"EXIF", 2**31)}
EXIF_FRONT = r"(?:%s{4})?(?:Exif\x00\x00)?(II\*\x00|MM\x00\*)"  # with what stands for any byte
# It is TIFF, whose entries are sorted: that of the orientation, a SHORT, is an early one.
ORIENTATION_TAG, SHORT, MAX_EXIF_ENTRIES = 0x0112, 3, 64
# Most JPEG and PNG begin so: with their pixels, or tables for them, where EXIF would be. What comes
# after those is not looked at.
PLAIN = {"JPEG": ((3, b"\xe0\0\x10"), (20, b"\xff\xdb")), "PNG": ((37, b"IDAT"),)}
Order = Literal["little", "big"]
_TIFF_ORDERS: dict[bytes, Order] = {b"II*\0": "little", b"MM\0*": "big"}

_MARKER = re.compile(rb"\xff([^\xff])", re.DOTALL)
_FRAMES = bytes({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG's markers of a frame's header


def picture_format(encoded: bytes) -> str | None:
    """A key of `MAGIC`; None for what is no picture of these formats."""
    for name, parts in MAGIC.items():
        if all(encoded.startswith(part, at) for at, part in parts):
            return name
    return None


def told_size(encoded: bytes) -> tuple[int, int] | None:
    """Width and height as stored, before any turning by EXIF.

    Of a GIF it is that of the screen or the first frame, whichever has more pixels: what a decoder
    may come to hold.

    Returns:
        None for what is none of the formats, or does not tell a size.
    """
    name = picture_format(encoded)
    told = [size for size in _SIZES[name](encoded) if 0 not in size] if name else []
    return max(told, key=math.prod, default=None)


def told_pixels(pictures: np.ndarray) -> int:
    """What `told_size` tells of encoded pictures, strings of any shape, together."""
    counts = Counter(pictures.flat)  # a request of a few bytes may stand for many equal ones
    return sum(count * math.prod(told_size(encoded) or [0]) for encoded, count in counts.items())


def orientation(encoded: bytes) -> int:
    """EXIF's orientation of a JPEG, PNG or WebP, 1 to 8; 1 where there is none, or a wrong one."""
    name = picture_format(encoded) or ""
    word, limit = EXIF.get(name, (b"", 0))
    if name in PLAIN and all(encoded.startswith(part, at) for at, part in PLAIN[name]):
        return 1
    front = re.escape(word) + (EXIF_FRONT % ".").encode()
    found = re.compile(front, re.DOTALL).search(encoded, 0, limit)
    if found is None:
        return 1
    order, tiff = _TIFF_ORDERS[found[1]], encoded[found.start(1) : limit]
    start = _number(tiff, 4, 4, order) + 2
    end = start + 12 * min(_number(tiff, start - 2, 2, order), MAX_EXIF_ENTRIES)
    for at in range(start, end, 12):
        tag, kind, value = (_number(tiff, at + n, 2, order) for n in (0, 2, 8))
        if (tag, kind) == (ORIENTATION_TAG, SHORT):
            return value if 1 <= value <= 8 else 1
    return 1


def _number(encoded: bytes, at: int, size: int, order: Order = "little") -> int:
    return int.from_bytes(encoded[at : at + size].ljust(size, b"\0"), order)


def _pair(encoded: bytes, at: int, size: int, order: Order = "little") -> tuple[int, int]:
    """Two neighbors: width and height, in nearly all formats."""
    return _number(encoded, at, size, order), _number(encoded, at + size, size, order)


def _jpeg_sizes(encoded: bytes) -> Iterator[tuple[int, int]]:
    at = 2
    for _ in range(_MAX_STEPS):
        found = _MARKER.search(encoded, at)  # what is between segments is passed over
        if found is None or found[1] in b"\xd9\xda":  # the end of the picture, a scan
            return
        marker, at = found[1], found.end()
        if marker in _FRAMES:
            yield _pair(encoded, at + 3, 2, "big")[::-1]
            return
        alone = marker < b"\xc0" or b"\xd0" <= marker <= b"\xd8"
        at += 0 if alone else _number(encoded, at, 2, "big")


def _png_sizes(encoded: bytes) -> Iterator[tuple[int, int]]:
    yield _pair(encoded, 16, 4, "big")


def _gif_sizes(encoded: bytes) -> Iterator[tuple[int, int]]:
    yield _pair(encoded, 6, 2)
    flags = _number(encoded, 10, 1)
    at, blocks = 13 + (flags >> 7) * 6 * 2 ** (flags & 7), 0
    while encoded[at : at + 1] == b"!" and blocks < _MAX_STEPS:
        at += 2
        while (size := _number(encoded, at, 1)) and blocks < _MAX_STEPS:
            at, blocks = at + 1 + size, blocks + 1
        at, blocks = at + 1, blocks + 1
    if encoded[at : at + 1] == b",":
        yield _pair(encoded, at + 5, 2)


def _bmp_sizes(encoded: bytes) -> Iterator[tuple[int, int]]:
    width, height = _pair(encoded, 18, 2 if _number(encoded, 14, 4) == 12 else 4)
    yield width, min(height, 2**32 - height)  # negative where rows go from the top down


def _webp_sizes(encoded: bytes) -> Iterator[tuple[int, int]]:
    kind = encoded[12:16]
    if kind == b"VP8X":  # the canvas: libwebp refuses a still frame of another size
        width, height = _pair(encoded, 24, 3)
        yield width + 1, height + 1
    elif kind == b"VP8L":
        bits = _number(encoded, 21, 4)
        yield bits % 2**14 + 1, (bits >> 14) % 2**14 + 1
    elif kind == b"VP8 ":
        width, height = _pair(encoded, 26, 2)
        yield width % 2**14, height % 2**14


_SIZES = {
    "JPEG": _jpeg_sizes,
    "PNG": _png_sizes,
    "GIF": _gif_sizes,
    "BMP": _bmp_sizes,
    "WebP": _webp_sizes,
}
