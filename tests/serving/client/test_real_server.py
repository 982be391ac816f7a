"""The client against the embedded server, synchronous and asynchronous."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving.client import ImageClient
from serving.results import ServingError


def _async(client: ImageClient, method: str, *arguments, **more):
    async def ask():
        async with client:
            return await getattr(client.aio, method)(*arguments, **more)

    return asyncio.run(ask())


def test_paths_and_bytes_in_order(client: ImageClient, gray_png, tmp_path: Path) -> None:
    file = tmp_path / "pet.png"
    file.write_bytes(gray_png(125))
    results = client.predict([gray_png(0), str(file), np.full((9, 5), 225, np.uint8)])
    assert [one.probabilities[1] for one in results] == pytest.approx([0.0, 125 / 255, 225 / 255])
    assert client.predict([]) == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_explanations(client: ImageClient, gray_png, asynchronous: bool) -> None:
    images = [gray_png(51), gray_png(204)]
    if asynchronous:
        own, _ = _async(client, "explain", images)
        dog, _ = _async(client, "explain", images, class_index=1)
    else:
        own, _ = client.explain(images)
        dog, _ = client.explain(images, class_index=1)
    assert (own.label, dog.label) == ("cat", "dog")
    assert dog.probability == pytest.approx(0.2)
    np.testing.assert_allclose(own.heatmap, np.full((4, 4), 0.2), atol=1e-6)
    assert np.array(Image.open(io.BytesIO(own.overlay_png))).tolist() == [[51] * 4] * 4


@pytest.mark.parametrize("asynchronous", [False, True])
def test_segmentations(client: ImageClient, gray_png, asynchronous: bool) -> None:
    images = [gray_png(0), gray_png(255)]
    dark, bright = _async(client, "segment", images) if asynchronous else client.segment(images)
    assert dark.mask.dtype == np.uint8
    np.testing.assert_array_equal(bright.mask, np.full((4, 4), 2))
    assert dark.class_fractions == (1.0, 0.0, 0.0)
    assert np.array(Image.open(io.BytesIO(bright.mask_png))).max() == 2


def test_what_the_server_tells_about_itself(client: ImageClient, server) -> None:
    other = ImageClient(server.target, client.model_name)
    assert _async(other, "metadata") == client.metadata()
    assert _async(other, "status") == client.status()
    n, x = np.array(2, np.int64), np.ones((1, 2), np.float32)
    answer = _async(other, "call", "numbers", {"x": x, "n": n}, ["scaled"])
    assert {name: value.tolist() for name, value in answer.items()} == {"scaled": [[2.0, 2.0]]}


def test_an_unknown_label_is_no_images_fault(server, client: ImageClient, gray_png) -> None:
    with (
        ImageClient(server.target, client.model_name, label="nobody") as other,
        pytest.raises(ServingError, match="Unrecognized servable version label: nobody"),
    ):
        other.predict([gray_png(1)])
