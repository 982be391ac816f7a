"""Overlays against NumPy."""

import io

import numpy as np
import pytest
from PIL import Image


def encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def overlays_of(pictures, heatmaps):
    import tensorflow as tf

    from components.explanations.overlay import overlay_png

    return overlay_png(tf.constant(pictures), tf.constant(heatmaps)).numpy()


def decode(encoded):
    picture = Image.open(io.BytesIO(encoded))
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    return np.asarray(picture).astype(float)


def blend_by_hand(pixels, heatmap):
    from matplotlib import colormaps

    colours = np.asarray(colormaps["jet"](np.round(heatmap * 255).astype(int)))[..., :3] * 255
    return (pixels + 0.4 * colours) / 1.4


def test_overlay_is_the_blend_with_jet():
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    pictures[0, 0, 0], pictures[0, 0, 1] = 0, 255
    heatmaps = rng.uniform(0, 1, (2, 9, 7)).astype(np.float32)
    heatmaps[0, :2, :2] = [[0, 1], [1, 0]]
    overlays = overlays_of([encode(picture) for picture in pictures], heatmaps)
    for overlay, picture, heatmap in zip(overlays, pictures, heatmaps, strict=True):
        assert np.abs(decode(overlay) - blend_by_hand(picture, heatmap)).max() <= 0.501


@pytest.mark.parametrize(
    ("size", "expected"), [((3, 2049), (3, 2048)), ((6000, 1), (2048, 1)), ((2048, 2), (2048, 2))]
)
def test_a_huge_picture_is_shrunk(size, expected):
    """Left dark and right bright stays so, and no side vanishes."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, size[1] // 2 :] = 200
    (overlay,) = overlays_of([encode(pixels)], np.zeros((1, 4, 4), np.float32))
    assert decode(overlay).shape[:2] == expected
    if expected[1] > 1:
        left, right = decode(overlay)[0, 0], decode(overlay)[0, -1]
        assert np.abs(left - blend_by_hand(np.zeros(3), 0.0)).max() <= 0.51
        assert np.abs(right - blend_by_hand(np.full(3, 200), 0.0)).max() <= 0.51
