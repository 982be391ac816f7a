"""Overlays against NumPy."""

import io

import numpy as np
import pytest
import tensorflow as tf
from matplotlib import colormaps
from PIL import Image

from components.explanations.overlay import overlay_png


def overlays_of(pictures, heatmaps):
    return overlay_png(tf.constant(pictures), tf.constant(heatmaps)).numpy()


def decode(encoded):
    picture = Image.open(io.BytesIO(encoded))
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    return np.asarray(picture).astype(float)


def blend_by_hand(pixels, heatmap):
    colours = np.asarray(colormaps["jet"](np.round(heatmap * 255).astype(int)))[..., :3] * 255
    return (pixels + 0.4 * colours) / 1.4


@pytest.mark.parametrize(
    ("size", "expected"), [((3, 2049), (3, 2048)), ((6000, 1), (2048, 1)), ((2048, 2), (2048, 2))]
)
def test_a_huge_picture_is_shrunk(encode, size, expected):
    """Left dark and right bright stays so, and no side vanishes."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, size[1] // 2 :] = 200
    (overlay,) = overlays_of([encode(pixels)], np.zeros((1, 4, 4), np.float32))
    assert decode(overlay).shape[:2] == expected
    if expected[1] > 1:
        left, right = decode(overlay)[0, 0], decode(overlay)[0, -1]
        assert np.abs(left - blend_by_hand(np.zeros(3), 0.0)).max() <= 0.51
        assert np.abs(right - blend_by_hand(np.full(3, 200), 0.0)).max() <= 0.51
