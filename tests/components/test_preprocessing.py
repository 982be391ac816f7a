import io
import re

import numpy as np
import pytest
from PIL import Image

SIZE = 48


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def preprocessing():
    from components import preprocessing

    return preprocessing


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
    "grey jpeg": (
        encode(Image.fromarray(smooth_picture(120, 90, 1)[..., 0]), "JPEG", quality=95),
        6.0,
    ),
    "png with alpha": (transparent_png(), 1.01),
    "gif, first frame": (animated_gif(), 1.01),
}


@pytest.mark.parametrize("name", PICTURES)
def test_same_as_pillow(preprocessing, name):
    data, tolerance = PICTURES[name]
    image = preprocessing.decode_image(data, SIZE).numpy()
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 255
    np.testing.assert_allclose(image, pillow_decode(data), atol=tolerance)


def test_shrinking_averages_instead_of_picking(preprocessing):
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    data = encode(Image.fromarray(board), "PNG")
    np.testing.assert_allclose(preprocessing.decode_image(data, 32), 127.5, atol=2)


def test_picture_shrunk_before_gives_nearly_the_same(preprocessing):
    original = Image.fromarray(smooth_picture(800, 600))
    shrunk = original.resize((400, 300), Image.Resampling.LANCZOS)
    direct = preprocessing.decode_image(encode(original, "PNG"), SIZE).numpy()
    twice = preprocessing.decode_image(encode(shrunk, "PNG"), SIZE).numpy()
    assert np.abs(direct - twice).mean() < 1


def test_batches_eager_traced_and_in_a_dataset_agree(tf, preprocessing):
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
def test_bad_bytes_raise(tf, preprocessing, data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_image(data, SIZE)
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_images(tf.constant([JPEG, data]), SIZE)


def mask_of(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 3, (height, width)).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(123, 77), (30, 40), (SIZE, SIZE)])
def test_masks_are_nearest_neighbours(tf, preprocessing, width, height):
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


def test_picture_given_as_a_mask_raises(tf, preprocessing):
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.compile("png", re.IGNORECASE)):
        preprocessing.decode_mask(b"no mask", SIZE)


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


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "JPEG", "WEBP"])
def test_a_bomb_is_refused_by_its_header(tf, preprocessing, kind):
    bomb = _claimed(kind, *((16_383, 3_052) if kind == "WEBP" else (50_001, 1_000)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 50000000 pixels"):
        preprocessing.decode_images(tf.constant([bomb]), SIZE)
    if kind == "PNG":
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than 50000000 pixels"):
            preprocessing.decode_masks(tf.constant([bomb]), SIZE)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "JPEG"])
def test_the_size_is_read_as_pillow_reads_it(tf, preprocessing, kind):
    for width, height in ((1, 1), (300, 37), (259, 1030)):
        data = encode(Image.new("RGB", (width, height)), kind)
        told = preprocessing._told_size(tf.constant(data)).numpy().tolist()
        assert told == [height, width]


@pytest.mark.parametrize("more", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}])
def test_still_webp_is_decoded_and_its_size_read(tf, preprocessing, more):
    data = io.BytesIO()
    Image.new("RGB", (259, 37)).save(data, "WEBP", **more)
    assert preprocessing._told_size(tf.constant(data.getvalue())).numpy().tolist() == [37, 259]
    assert preprocessing.decode_pixels(tf.constant(data.getvalue())).shape == (37, 259, 3)
