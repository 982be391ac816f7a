"""One affine move of a image: how far it goes, and that its pixels are where they should be."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from components.trainer.input.augmentation import draw_moves, move
from components.trainer.sections import AugmentationConfig

SIDE = 32
COUNT = 200


@pytest.fixture(scope="module")
def draw():
    """draw(count, **config) -> float32 [count, 2, 3]: rows that give (x, y) in the image."""

    def run(count: int = COUNT, **config) -> np.ndarray:
        images = np.zeros((count, SIDE, SIDE, 3), np.float32)
        seed = keras.random.SeedGenerator(1)
        drawn = draw_moves(AugmentationConfig(**config), images, seed)
        rows = keras.ops.convert_to_numpy(drawn)
        np.testing.assert_array_equal(rows[:, 6:], 0.0)
        return rows[:, :6].reshape(-1, 2, 3)

    return run


def corners(rows: np.ndarray) -> np.ndarray:
    """The result's outer corners, [count, corner, x and y] in sides of the image."""
    ends = (-0.5, SIDE - 0.5)
    points = np.array([(x, y, 1.0) for y in ends for x in ends])
    return (np.einsum("nij,pj->npi", rows, points) + 0.5) / SIDE


def test_a_crop_takes_its_share_of_the_area_from_inside_the_image(draw):
    found = corners(draw(crop=0.6))
    assert found.min() > -1e-5
    assert found.max() < 1 + 1e-5
    width, height = (found[:, 3] - found[:, 0]).T
    area, aspect = width * height, width / height
    # A wide cut-out of nearly everything is limited by the image's sides, so it may be smaller.
    assert 0.4 * 0.95 < area.min() < 0.5
    assert 0.8 < area.max() <= 1 + 1e-5
    assert 0.749 < aspect.min() < 0.85
    assert 1.2 < aspect.max() < 1.334
    # Anywhere: up to all four sides.
    assert found[:, 0].min() < 0.02
    assert found[:, 3].max() > 0.98


def test_rotation_turns_about_the_middle_both_ways(draw):
    rows = draw(rotation=0.1)
    middle = np.array([(SIDE - 1) / 2, (SIDE - 1) / 2, 1.0])
    np.testing.assert_allclose(rows @ middle, np.broadcast_to(middle[:2], (COUNT, 2)), atol=1e-4)
    turns = np.arctan2(rows[:, 1, 0], rows[:, 0, 0]) / (2 * np.pi)
    assert -0.1001 < turns.min() < -0.09
    assert 0.09 < turns.max() < 0.1001
    determinants = np.linalg.det(rows[:, :, :2])
    np.testing.assert_allclose(determinants, 1.0, atol=1e-5)


def test_zoom_keeps_the_aspect_and_translation_the_size(draw):
    zoomed = draw(zoom=0.2)
    np.testing.assert_allclose(zoomed[:, 0, 0], zoomed[:, 1, 1])
    assert 0.8 - 1e-5 < zoomed[:, 0, 0].min() < 0.82
    assert 1.18 < zoomed[:, 0, 0].max() < 1.2 + 1e-5
    moved = draw(translation=0.25)
    np.testing.assert_allclose(moved[:, :, :2], np.broadcast_to(np.eye(2), (COUNT, 2, 2)))
    for shift in moved[:, :, 2].T / SIDE:
        assert -0.25 - 1e-5 < shift.min() < -0.23
        assert 0.23 < shift.max() < 0.25 + 1e-5


@pytest.mark.parametrize(("order", "interpolation"), [(1, "bilinear"), (0, "nearest")])
def test_pixels_are_those_scipy_finds_there(draw, order, interpolation):
    """All moves at once, over the edges, where the mirror image goes on."""
    config = {"flip": True, "rotation": 0.1, "zoom": 0.3, "translation": 0.2, "crop": 0.4}
    rows = draw(6, **config)
    pixels = np.random.default_rng(1).uniform(0, 255, (6, SIDE, SIDE, 1)).astype(np.float32)
    flat = np.concatenate([rows.reshape(6, 6), np.zeros((6, 2), np.float32)], axis=1)
    moved = np.asarray(move(pixels, flat, interpolation))
    y, x = np.mgrid[:SIDE, :SIDE]
    points = np.stack([x, y, np.ones_like(x)], axis=-1)
    agree = []
    for row, image, found in zip(rows, pixels, moved, strict=True):
        at_x, at_y = np.moveaxis(points @ row.T, -1, 0)
        expected = ndimage.map_coordinates(image[..., 0], [at_y, at_x], order=order, mode="reflect")
        agree.append(np.abs(found[..., 0] - expected) < 0.05)
    # Nearest neighbours of a point between two pixels may differ.
    assert np.mean(agree) > 0.999
