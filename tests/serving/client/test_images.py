"""Every kind of image that the client takes, and what it says about the others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving.client.images import RequestPacker, encode
from serving.errors import InputError
from serving.pictures import orientation
from serving.results import ImageError


def _pixels(encoded: bytes) -> np.ndarray:
    assert encoded.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7)])
def test_arrays_keep_their_pixels(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(_pixels(encode(values)), values)
    # Not contiguous: a view that is mirrored.
    np.testing.assert_array_equal(_pixels(encode(values[:, ::-1])), values[:, ::-1])


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_pillow_images_of_any_mode(mode: str) -> None:
    image = Image.new("RGB", (6, 4), (200, 100, 50)).convert(mode)
    expected = image if mode == "L" else image.convert("RGB")
    np.testing.assert_array_equal(_pixels(encode(image)), np.asarray(expected))


def test_encoded_bytes_and_files_are_sent_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"any bytes")
    for image in (file, str(file), b"any bytes", bytearray(b"any bytes"), memoryview(b"any bytes")):
        assert encode(image) == b"any bytes"


def test_what_is_iterable_is_a_list(connect) -> None:
    images = np.full((2, 3, 2, 3), 51, np.uint8)
    for given in (images, (image for image in images)):
        found = [one.probability for one in connect().predict(given)]
        assert found == pytest.approx([0.8] * 2)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4), np.float32), r"uint8 array \[h, w, 3\] or \[h, w\], found float32"),
        (np.zeros((4, 4, 4), np.uint8), r"found uint8 \[4, 4, 4\]"),
        (np.zeros(4, np.uint8), r"found uint8 \[4\]"),
        (np.zeros((0, 4), np.uint8), r"found uint8 \[0, 4\]"),
        (7, "a path, bytes, .*found int"),
        (None, "found NoneType"),
        ("absent.jpg", r"image absent\.jpg: expected an image file, found nothing there"),
        (Path("/"), "found a folder"),
        (Image.new("I;16", (6, 4), 50), "8 bits a channel, found a Pillow image I;16"),
    ],
)
def test_what_is_no_image_is_told(connect, image: object, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        connect().predict([image])
    assert caught.value.position == 0
    assert "\n" not in str(caught.value)


def test_who_has_turned_a_pillow_image_says_so_in_its_exif() -> None:
    image = Image.new("RGB", (6, 4))
    image.info["exif"] = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    assert orientation(encode(image)) == 6
    image.getexif()[0x0112] = 1
    assert orientation(encode(image)) == 1


def test_a_pillow_image_cut_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (60, 60, 3), np.uint8)
    file = tmp_path / "short.png"
    file.write_bytes(encode(noise)[:4000])
    with pytest.raises(ImageError, match="at position 3: expected a readable image"):
        encode(Image.open(file), 3)


def test_streams_go_on_after_files_that_are_unreadable_or_too_large(peer, connect, gray) -> None:
    images = [gray(0), "absent.jpg", b"x" * 2**20, gray(255)]
    answers = list(connect(max_message_bytes=2**20).predict_stream(images))
    assert [answer.error is None for answer in answers] == [True, False, False, True]
    assert "at most 1 MiB, found 1.00 MiB" in str(answers[2].error)
    assert answers[3].result.label == "dog"
    assert peer.sent() == [2]


def test_images_that_cannot_be_sent_are_not(peer, connect) -> None:
    assert [one.error is None for one in connect().predict_stream(["a", "b"])] == [False, False]
    assert connect().predict([]) == []
    assert peer.requests == []


@pytest.mark.parametrize(
    "image", ["a.jpg", Path("a.jpg"), b"x", np.zeros((4, 4, 3), np.uint8), Image.new("L", (2, 2))]
)
def test_a_single_image_is_no_list(connect, image: object) -> None:
    for ask in (connect().predict, connect().aio.predict_stream):
        with pytest.raises(InputError, match=r"a list or another iterable.*put it into a list"):
            ask(image)


def test_batches_are_bounded_by_number_and_size() -> None:
    packer = RequestPacker(3, 20_000)  # so at most 10 kB of images in a request
    sizes = [10, 10, 10, 60, 60, 100, 150, 1, 1]
    batches = [packer.add(b"x" * 100 * size) for size in sizes]
    batches.append(packer.rest())
    found = [[len(one.encoded) // 100 for one in batch] for batch in batches if batch]
    assert found == [[10, 10, 10], [60], [60], [100], [150], [1, 1]]
    assert packer.rest() == []
