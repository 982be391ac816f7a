"""Pictures with every orientation that EXIF knows, through endpoints, overlay and client."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageOps

from serving.client import ImageClient

NAME = "upright"
# By kind of file: how far a probability and a heatmap may be off. Of JPEG, TensorFlow and Pillow
# decode other pixels.
TOLERANCES = {"PNG": 1e-5, "WEBP": 1e-5, "JPEG": 0.05}


@pytest.fixture(scope="module")
def client(exported, start_here, tmp_path_factory) -> Iterator[ImageClient]:
    """Of a server of this process, over a socket."""
    base = tmp_path_factory.mktemp(NAME)
    (base / "1").symlink_to(exported["classification"].folder)
    with ImageClient(start_here({NAME: base}).target, NAME, timeout_seconds=60) as made:
        yield made


@pytest.fixture(scope="module")
def drawn() -> Image.Image:
    """No side or corner of it is like another."""
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 256, (4, 6, 3)) // [[[1, 2, 1]]]
    blocks[0, 0], blocks[-1, 0], blocks[0, -1] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return Image.fromarray(np.kron(blocks, np.ones((16, 16, 1))).astype(np.uint8))


def saved(image: Image.Image, kind: str, orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif, **{"lossless": True} if kind == "WEBP" else {})
    return buffer.getvalue()


@pytest.mark.parametrize("kind", TOLERANCES)
def test_answers_are_those_of_the_upright_picture(client, drawn, kind) -> None:
    tagged = [saved(drawn, kind, orientation) for orientation in range(1, 9)]
    opened = [Image.open(io.BytesIO(encoded)) for encoded in tagged]
    upright = [saved(ImageOps.exif_transpose(image), "PNG") for image in opened]
    found, expected = client.explain(tagged), client.explain(upright)
    for one, right in zip(found, expected, strict=True):
        near = {"atol": TOLERANCES[kind]}
        np.testing.assert_allclose(one.probability, right.probability, **near)
        np.testing.assert_allclose(one.heatmap, right.heatmap, **near)
        overlay, reference = (_pixels(answer.overlay_png) for answer in (one, right))
        assert overlay.shape == reference.shape
        assert np.abs(overlay - reference).mean() < 2
    # A Pillow image is sent as its file would be.
    np.testing.assert_allclose(
        [one.probability for one in client.predict(opened)],
        [one.probability for one in expected],
        atol=TOLERANCES[kind],
    )
    # Were nothing turned, it would show.
    lying = _pixels(found[0].overlay_png)
    for answer in found[1:]:
        overlay = _pixels(answer.overlay_png)
        assert overlay.shape != lying.shape or np.abs(overlay - lying).mean() > 20


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)), float)
