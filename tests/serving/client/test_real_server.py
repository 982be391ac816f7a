"""The client against the embedded server, synchronous and asynchronous."""

import io

import numpy as np
import pytest
from PIL import Image

from serving.client import ImageClient
from serving.results import ServingError


def test_explanations(client: ImageClient, gray, ask) -> None:
    images = [gray(51), gray(204)]
    own, _ = ask(client, "explain", images)
    dog, _ = ask(client, "explain", images, class_index=1)
    assert (own.label, dog.label) == ("cat", "dog")
    assert dog.probability == pytest.approx(0.2)
    np.testing.assert_allclose(own.heatmap, np.full((4, 4), 0.2), atol=1e-6)
    assert np.array(Image.open(io.BytesIO(own.overlay_png))).tolist() == [[51] * 4] * 4


def test_segmentations(client: ImageClient, gray, ask) -> None:
    dark, bright = ask(client, "segment", [gray(0), gray(255)])
    assert dark.mask.dtype == np.uint8
    np.testing.assert_array_equal(bright.mask, np.full((4, 4), 2))
    assert dark.class_fractions == (1.0, 0.0, 0.0)
    assert np.array(Image.open(io.BytesIO(bright.mask_png))).max() == 2


def test_what_the_server_tells_about_itself(client: ImageClient, ask) -> None:
    assert ask(client, "metadata") == client.metadata()
    assert ask(client, "status") == client.status()
    n, x = np.array(2, np.int64), np.ones((1, 2), np.float32)
    answer = ask(client, "call", "numbers", {"x": x, "n": n}, ["scaled"])
    assert {name: value.tolist() for name, value in answer.items()} == {"scaled": [[2.0, 2.0]]}


def test_an_unknown_label_is_no_images_fault(server, connect, gray) -> None:
    with pytest.raises(ServingError, match="Unrecognized servable version label: nobody"):
        connect(server.target, label="nobody").predict([gray(1)])
