import contextlib
import io
import itertools
import random
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from components import preprocessing
from components.headers import read_header
from serving import pictures

SIZE = 48
TOO_LARGE = "more than 50000000 pixels"
UNKNOWN = "expected JPEG, PNG, GIF, BMP or WebP"


def smooth_picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    """Waves of several lengths and some noise, uint8 [height, width, channels]."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[:height, :width]
    planes = [
        128 + 60 * np.sin(x / (5 + 4 * c)) + 50 * np.cos(y / (9 - 2 * c)) for c in range(channels)
    ]
    picture = np.stack(planes, axis=-1) + rng.normal(0, 8, (height, width, channels))
    return np.clip(picture, 0, 255).astype(np.uint8)


def encode(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow_decode(data: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    resized = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)


def transparent_png() -> bytes:
    pixels = smooth_picture(90, 70, 4)
    pixels[:20, :, 3] = 0
    return encode(Image.fromarray(pixels, "RGBA"), "PNG")


def animated_gif() -> bytes:
    frames = [Image.new("RGB", (60, 40), color) for color in ("red", "blue")]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


# What is decoded, and how far a grey level may be off. Pillow rounds its result; for JPEG,
# TensorFlow takes the decoder's fast integer transform and Pillow the accurate one.
PICTURES = {
    "png shrunk": (encode(Image.fromarray(smooth_picture(200, 150)), "PNG"), 1.01),
    "png enlarged": (encode(Image.fromarray(smooth_picture(31, 23)), "PNG"), 1.01),
    "bmp": (encode(Image.fromarray(smooth_picture(100, 64)), "BMP"), 1.01),
    "jpeg": (encode(Image.fromarray(smooth_picture(200, 150)), "JPEG", quality=95), 6.0),
    "grey jpeg": (encode(Image.fromarray(smooth_picture(99, 90)[..., 0]), "JPEG", quality=95), 6.0),
    "png with alpha": (transparent_png(), 1.01),
    "gif, first frame": (animated_gif(), 1.01),
}


@pytest.mark.parametrize("name", PICTURES)
def test_same_as_pillow(name):
    data, tolerance = PICTURES[name]
    image = preprocessing.decode_image(data, SIZE).numpy()
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 255
    np.testing.assert_allclose(image, pillow_decode(data), atol=tolerance)


def test_batches_eager_traced_and_in_a_dataset_agree():
    datas = [data for data, _ in PICTURES.values()]
    single = np.stack([preprocessing.decode_image(data, SIZE) for data in datas])
    eager = preprocessing.decode_images(tf.constant(datas), SIZE)
    traced = tf.function(lambda x: preprocessing.decode_images(x, SIZE))(tf.constant(datas))
    dataset = tf.data.Dataset.from_tensor_slices(datas)
    mapped = dataset.map(lambda x: preprocessing.decode_image(x, SIZE))
    np.testing.assert_array_equal(eager, single)
    np.testing.assert_array_equal(traced, single)
    np.testing.assert_array_equal(np.stack(list(mapped.as_numpy_iterator())), single)
    assert mapped.element_spec.shape == (SIZE, SIZE, 3)


JPEG = PICTURES["jpeg"][0]


@pytest.mark.parametrize(
    "data", [b"", b"BM", b"no picture", JPEG[: len(JPEG) // 2], b"\x89PNG\r\n\x1a\n" + b"\0" * 40]
)
def test_bad_bytes_raise(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_image(data, SIZE)
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_images(tf.constant([JPEG, data]), SIZE)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)png"):
        preprocessing.decode_mask(data, SIZE)


def mask_of(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 3, (height, width)).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(123, 77), (30, 40), (SIZE, SIZE)])
def test_masks_are_nearest_neighbours(width, height):
    mask = mask_of(width, height)
    rows = np.floor((np.arange(SIZE) + 0.5) * height / SIZE).astype(int)
    columns = np.floor((np.arange(SIZE) + 0.5) * width / SIZE).astype(int)
    expected = mask[np.ix_(rows, columns)]
    data = encode(Image.fromarray(mask), "PNG")
    decoded = preprocessing.decode_mask(data, SIZE).numpy()
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)
    batch = tf.function(lambda x: preprocessing.decode_masks(x, SIZE))(tf.constant([data, data]))
    np.testing.assert_array_equal(batch, np.stack([expected, expected]))


def _claimed(kind: str, width: int, height: int) -> bytes:
    """A small file whose header tells another size."""
    data = bytearray(encode(Image.new("RGB", (8, 8)), kind))
    if kind == "PNG":
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    elif kind == "GIF":
        data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    elif kind == "BMP":
        sizes = (width, -height)  # from the top down
        data[18:26] = b"".join(size.to_bytes(4, "little", signed=True) for size in sizes)
    elif kind == "WEBP":
        data[26:30] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    else:
        frame = data.index(b"\xff\xc0")  # SOF0: length, precision, height, width
        data[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def os2_bmp(picture: Image.Image) -> bytes:
    """A BMP with the header of OS/2: 12 bytes, two for each side."""
    data = encode(picture, "BMP")
    sides = picture.width.to_bytes(2, "little") + picture.height.to_bytes(2, "little")
    front = data[:10] + (26).to_bytes(4, "little") + (12).to_bytes(4, "little")
    return front + sides + data[26:30] + data[54:]


def test_a_bmp_of_os2_tells_its_size():
    picture = Image.fromarray(smooth_picture(30, 20))
    data = os2_bmp(picture)
    assert np.array_equal(Image.open(io.BytesIO(data)), picture)
    assert read_header(data).size.numpy().tolist() == [30, 20] == list(pictures.told_size(data))
    with pytest.raises(tf.errors.OpError) as refused:  # TensorFlow does not know that header
        preprocessing.decode_pixels(data)
    assert "more than" not in str(refused.value)
    with pytest.raises(tf.errors.InvalidArgumentError, match=TOO_LARGE):
        read_header(data[:18] + b"\xff" * 4 + data[22:])


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + len(data).to_bytes(4, "little") + data for name, data in chunks)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


# 16,383 pixels a side of one color: all there is of it.
FRAME = encode(Image.new("RGB", (16_383, 16_383)), "WEBP", lossless=True, method=0)[20:]
CANVAS = b"\0" * 4 + b"\xfe\x3f\0" * 2
WIDE_FRAME = animated_gif().replace(b",\0\0\0\0\x3c\0\x28\0", b",\0\0\0\0\xff\xff\xff\xff", 1)
OTHER_BOMBS = {
    "webp by its header": (_claimed("WEBP", 16_383, 3_052), TOO_LARGE),
    "lossless webp": (webp((b"VP8L", FRAME)), TOO_LARGE),
    "webp by its canvas": (webp((b"VP8X", CANVAS), (b"VP8L", FRAME)), TOO_LARGE),
    "webp of another canvas": (webp((b"VP8X", b"\0" * 10), (b"VP8L", FRAME)), "WebP"),
    "webp without a chunk": (b"RIFF\x20\0\0\0WEBP" + FRAME, UNKNOWN),
    "gif by its frame": (WIDE_FRAME, TOO_LARGE),
    "jpeg xl": (b"\xff\x0a\xff\x07" + b"\0" * 40, UNKNOWN),
    "jpeg xl in a box": (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 40, UNKNOWN),
    # Sides whose product overflows: of 2^32 - 1 pixels each, int64 makes 1 - 2^33 together.
    "png of 1 - 2^33": (_claimed("PNG", 2**32 - 1, 2**32 - 1), TOO_LARGE),
    "png of 2^63": (_claimed("PNG", 2**32 - 8, 2**31), TOO_LARGE),
    "bmp of -2^62": (_claimed("BMP", -(2**31), 2**31), TOO_LARGE),
}
BOMBS = {kind: (_claimed(kind, 50_001, 1_000), TOO_LARGE) for kind in ("PNG", "GIF", "BMP", "JPEG")}


@pytest.mark.parametrize("name", BOMBS | OTHER_BOMBS)
def test_what_is_too_large_or_may_hide_its_size_is_refused(name):
    data, message = (BOMBS | OTHER_BOMBS)[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message) as refused:
        preprocessing.decode_pixels(data)
    assert "\n" not in refused.value.message
    if data is BOMBS["PNG"][0]:
        for decode in (preprocessing.decode_images, preprocessing.decode_masks):
            with pytest.raises(tf.errors.InvalidArgumentError, match=TOO_LARGE):
                decode(tf.constant([data]), SIZE)


def test_only_the_first_frame_of_a_gif_is_decoded():
    """What a decoder would hold of the others is no matter, and sub-blocks may be of any size."""
    first, second = smooth_picture(60, 40), Image.new("RGB", (60, 40), "blue")
    moving = encode(Image.fromarray(first), "GIF", save_all=True, append_images=[second])
    expected = np.asarray(Image.open(io.BytesIO(moving)).convert("RGB"))
    frame = b",\0\0\0\0\x3c\0\x28\0"
    at = moving.index(frame)
    larger = encode(Image.new("RGB", (90, 70)), "GIF")
    wide = moving[:-1] + larger[larger.index(b",\0\0\0\0\x5a\0\x46\0") :]
    begin = at + 11  # no colors of its own; LZW's code size
    data, end = b"", begin
    while size := moving[end]:
        data, end = data + moving[end + 1 : end + 1 + size], end + 1 + size
    cuts = np.cumsum(np.random.default_rng(0).integers(1, 9, len(data)))
    parts = [part.tobytes() for part in np.split(np.frombuffer(data, np.uint8), cuts)]
    blocks = b"".join(bytes([len(part)]) + part for part in parts if part)
    for one in (moving, wide, moving[:begin] + blocks + wide[end:]):
        np.testing.assert_array_equal(preprocessing.decode_pixels(one), expected)


def exif(orientation: int, order: str = "<", **changed: bytes) -> bytes:
    """An IFD of three entries; the parts that are given are put in place of the right ones."""
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    parts = {
        "prefix": b"Exif\0\0",
        "magic": struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8),
        "count": struct.pack(order + "H", 3),
        "entries": struct.pack(order + "HHIHH", 0x0100, 3, 1, 9, 0) + entry + b"\1" * 12,
    }
    return b"".join((parts | changed).values())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_upright_by_exif(kind):
    picture = Image.fromarray(smooth_picture(75, 40))
    more = {"WEBP": {"lossless": True}, "JPEG": {"icc_profile": b"before" * 99}}.get(kind, {})
    for orientation, order in zip(range(10), itertools.cycle("<>"), strict=False):
        data = encode(picture, kind, exif=exif(orientation, order), **more)
        stored = Image.open(io.BytesIO(data))
        upright = ImageOps.exif_transpose(stored).convert("RGB")
        found = preprocessing.decode_pixels(data).numpy()
        assert found.shape == (*upright.size[::-1], 3)
        assert np.abs(found - np.asarray(upright, float)).max() <= (12 if kind == "JPEG" else 0)
        square = preprocessing.decode_image(encode(upright, "PNG"), SIZE)
        near = 6 if kind == "JPEG" else 1e-3
        np.testing.assert_allclose(preprocessing.decode_image(data, SIZE), square, atol=near)


@pytest.mark.parametrize(
    "broken",
    [
        {"magic": b"II*\0\xff\xff\xff\xff"},
        {"magic": b"XX*\0\x08\0\0\0"},
        {"magic": b"II"},
        {"magic": b""},
        {"count": b"\0\0"},
        {"count": b"\xff\xff", "entries": b"\x12\1"},
        {"entries": struct.pack("<HHIHH", 0x0112, 2, 1, 6, 0) * 3},
        {"prefix": b"Exig\0\0"},
    ],
)
def test_broken_exif_is_none(broken):
    data = encode(Image.new("RGB", (20, 10)), "JPEG", exif=exif(6, **broken))
    assert preprocessing.decode_pixels(data).shape == (10, 20, 3)
    assert pictures.orientation(data) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_behind_what_pixels_need_is_passed_over_by_all(kind):
    """As who reads a mask beside a picture must not turn it alone."""
    picture = Image.new("RGB", (20, 10))
    plain, tag = encode(picture, kind), exif(6)
    if kind == "JPEG":  # behind the first table
        at = 22 + int.from_bytes(plain[22:24], "big")
        part = b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag
    else:
        at, tag = len(plain) - 12, b"eXIf" + tag[6:]
        part = struct.pack(">I", len(tag) - 4) + tag + struct.pack(">I", zlib.crc32(tag))
    data = plain[:at] + part + plain[at:]
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6
    assert pictures.orientation(data) == read_header(tf.constant(data)).orientation == 1
    assert preprocessing.decode_pixels(data).shape == (10, 20, 3)


@pytest.mark.parametrize(
    ("width", "height", "ratio"), [(192, 400, 1), (400, 194, 2), (772, 768, 4), (776, 808, 8)]
)
def test_a_large_jpeg_is_shrunk_as_it_is_decoded(width, height, ratio):
    picture = Image.fromarray(smooth_picture(width // 8, height // 8)).resize((width, height))
    data = encode(picture, "JPEG", quality=95)
    found = preprocessing.decode_image(data, SIZE).numpy()
    pixels = tf.io.decode_jpeg(data, ratio=ratio)
    np.testing.assert_array_equal(found, tf.image.resize(pixels, [SIZE, SIZE], antialias=True))
    assert np.abs(found - pillow_decode(data)).mean() < 1.5
    assert preprocessing.decode_pixels(data).shape == (height, width, 3)


def test_graph_and_server_read_broken_headers_alike():
    rng = random.Random(1)
    read = tf.function(
        lambda data: tuple(read_header(data, False)), input_signature=[tf.TensorSpec([], tf.string)]
    )
    picture = Image.fromarray(smooth_picture(30, 20))
    files = [encode(picture, kind, exif=exif(6)) for kind in ("JPEG", "PNG", "WEBP")]
    files += [*(encode(picture, kind) for kind in ("GIF", "BMP")), os2_bmp(picture)]
    seen = Counter()
    for _ in range(500):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(rng.choice([30, 80]))] = rng.choice([0, 1, 255, rng.randrange(256)])
        data = bytes(data[: rng.choice([12, 40, 99, 9999])])
        told = pictures.told_size(data)
        with contextlib.suppress(tf.errors.InvalidArgumentError):  # JPEG's library wants more
            encoded, size, _, orientation = read(data)
            if encoded.numpy() and told and min(size) and max(told) < 2**31:
                assert sorted(size.numpy()) == sorted(told)
                assert orientation == pictures.orientation(data)
                seen[int(orientation)] += 1
    assert min(seen.values()) > 20
    assert set(seen) >= {1, 6}
