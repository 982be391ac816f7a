"""What is told of encoded pictures, beside what Pillow finds in them."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from serving.pictures import orientation, picture_format, told_pixels, told_size


def encode(size: tuple[int, int], kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, kind, **options)
    return buffer.getvalue()


TURNED = Image.Exif()
TURNED[0x0112] = 6
WAYS_TO_SAVE = (
    ("JPEG", {"progressive": True, "icc_profile": b"profile" * 99, "exif": TURNED}),
    ("JPEG", {"comment": b"\xff\xff" * 9}),
    ("PNG", {"exif": TURNED}),
    ("GIF", {"comment": b"long" * 99}),
    ("BMP", {}),
    ("WEBP", {"exif": TURNED}),
    ("WEBP", {"lossless": True}),
)


@pytest.mark.parametrize(("kind", "options"), WAYS_TO_SAVE)
def test_told_as_pillow_tells(kind: str, options: dict) -> None:
    for size in ((9, 5), (300, 37)):
        encoded = encode(size, kind, **options)
        assert picture_format(encoded).upper() == kind
        assert told_size(encoded) == size
        assert orientation(encoded) == (6 if "exif" in options else 1)
        for cut in range(0, min(len(encoded), 900), 7):  # nothing raises
            told_size(encoded[:cut])
            assert orientation(encoded[:cut]) in (1, 6)


def test_bytes_that_fill_a_jpeg_up() -> None:
    encoded = encode((30, 20), "JPEG")
    assert told_size(encoded[:2] + b"\xff" * 9999 + encoded[2:]) == (30, 20)


def test_a_gif_is_as_large_as_the_larger_of_screen_and_first_frame() -> None:
    encoded = encode((20, 10), "GIF", comment=b"a word")
    frame = encoded.index(b",", 13)
    for width, height in ((7, 9), (3000, 2000)):
        sides = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        claimed = encoded[: frame + 5] + sides + encoded[frame + 9 :]
        assert told_size(claimed) == max((20, 10), (width, height), key=math.prod)


@pytest.mark.parametrize(
    "encoded",
    [b"", b"BM", b"II*\0", b"\xff\x0a" + b"\0" * 99, b"RIFF\x1a\0\0\0WEBP/" + b"\xff" * 30]
    + [b"\xff\xd8" + 10**6 * filling for filling in (b"\xff", b"\xff\xc4\0\2")],
)
def test_what_tells_no_size(encoded: bytes) -> None:
    assert told_size(encoded) is None
    assert orientation(encoded) == 1


def test_pixels_of_many() -> None:
    batch = [encode((30, 20), "PNG")] * 2 + [encode((3, 2), "GIF"), b"none"]
    assert told_pixels(np.array(batch, object)) == 1206
    assert told_pixels(np.array(b"BM", object)) == 0
