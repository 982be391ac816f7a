"""Grades of explanations on maps and models whose grade is known; what random weights change."""

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from components.explanations.grades import (
    Model,
    blob,
    dependence,
    energy_above_area,
    faithfulness,
    iou,
    mosaic,
    pointing,
)
from components.explanations.sanity import layers_from_output, rank_correlation

SIDE = 16


@pytest.fixture
def pictures():
    """Red ones (class 0) and blue ones (class 1), with some noise: float32 [n, SIDE, SIDE, 3]."""
    rng = np.random.default_rng(0)
    labels = np.array([0, 1] * 6)
    images = rng.uniform(0, 40, (12, SIDE, SIDE, 3)).astype(np.float32)
    images[labels == 0, :, :, 0] += 200
    images[labels == 1, :, :, 2] += 200
    return images, labels


def predict(images):
    """By which of red and blue there is more of."""
    red, blue = images[..., 0].mean(axis=(1, 2)), images[..., 2].mean(axis=(1, 2))
    score = 1 / (1 + np.exp((blue - red) / 20))
    return np.stack([score, 1 - score], axis=1)


def seeing(images, classes):
    """Heat where a pixel has more of the class's colour."""
    more = images[..., 0] - images[..., 2]
    heat = np.maximum(np.where(np.asarray(classes)[:, None, None] == 0, more, -more), 0)
    return heat / heat.max(axis=(1, 2), keepdims=True)


def blind(images, classes):
    return np.ones(images.shape[:3], np.float32)


@pytest.mark.parametrize(
    ("explain", "share"),
    [
        (seeing, 1.0),
        (blind, 0.5),
        (lambda images, _: np.zeros(images.shape[:3], np.float32), 0.5),
        (lambda images, classes: seeing(images, 1 - classes), 0.0),
    ],
)
def test_mosaic_asks_whether_the_map_follows_the_class(pictures, explain, share):
    images, labels = pictures
    found = mosaic(Model(predict, explain), images, labels, rivals=[1, 0])
    np.testing.assert_allclose(found, share, atol=1e-6)


def test_a_mosaic_holds_two_of_each_class_at_half_their_size(pictures):
    images, labels = pictures
    seen = []

    def explain(canvases, classes):
        seen.extend(zip(canvases, classes, strict=True))
        return blind(canvases, classes)

    mosaic(Model(predict, explain), images, labels, rivals=[1, 0])
    half = SIDE // 2
    small = images.reshape(12, half, 2, half, 2, 3).mean(axis=(2, 4))
    places = set()
    for number, (canvas, label) in enumerate(seen):
        assert label == labels[number]
        tiles = canvas.reshape(2, half, 2, half, 3).swapaxes(1, 2).reshape(4, half, half, 3)
        which = [int(np.abs(small - tile).sum(axis=(1, 2, 3)).argmin()) for tile in tiles]
        assert len(set(which)) == 4
        assert sorted(labels[which]) == [0, 0, 1, 1]
        places.add(which.index(number))
    assert len(places) > 1

    # A class without partners has none.
    labels = labels.copy()
    labels[0] = 2
    found = mosaic(Model(predict, seeing), images, labels, rivals=[1, 0, 0])
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


@pytest.fixture
def cornered():
    """What decides is a bright square in a corner: images, heatmaps of it, of its opposite."""
    rng = np.random.default_rng(1)
    images = rng.uniform(90, 110, (6, 32, 32, 3)).astype(np.float32)
    images[:, 2:8, 2:8] = 255
    right = np.zeros((6, 32, 32), np.float32)
    right[:, 2:8, 2:8] = 1
    return images, right, right[:, ::-1, ::-1]


def by_corner(images):
    score = 1 / (1 + np.exp(-(images[:, 2:8, 2:8].mean(axis=(1, 2, 3)) - 180) / 15))
    return np.stack([1 - score, score], axis=1)


def test_faithful_is_what_names_the_pixels_that_decide(cornered):
    images, right, wrong = cornered
    model, classes = Model(by_corner, blind), np.ones(6, int)
    good = faithfulness(model, images, classes, right)
    assert good.min() > 0.5
    assert faithfulness(model, images, classes, wrong).max() < good.min() - 0.5
    same = np.broadcast_to(blob(32), right.shape)
    np.testing.assert_array_equal(faithfulness(model, images, classes, same), 0)


def test_insertion_and_deletion_by_hand(cornered):
    """A model that answers with the mean of the pixels: curves are sums along the order."""
    images, heat, _ = cornered
    heat = heat + np.random.default_rng(3).uniform(0, 0.1, heat.shape).astype(np.float32)

    def mean(pictures):
        return np.stack([pictures.mean(axis=(1, 2, 3)) / 255] * 2, axis=1)

    def area(maps):
        found = []
        for image, one in zip(images, maps, strict=True):
            coarse = gaussian_filter(image, (3.2, 3.2, 0), mode="nearest")
            order = np.argsort(-one.ravel(), kind="stable")
            gains = ((image - coarse).mean(axis=-1).ravel() / 255)[order]
            steps = np.linspace(0, 1024, 9).astype(int)
            inserted = [coarse.mean() / 255 + gains[:k].sum() / 1024 for k in steps]
            deleted = [image.mean() / 255 - gains[:k].sum() / 1024 for k in steps]
            found.append(np.trapezoid(inserted, dx=1 / 8) - np.trapezoid(deleted, dx=1 / 8))
        return np.array(found)

    model, other = Model(mean, blind), heat[:, :, ::-1] ** 2
    found = [faithfulness(model, images, np.zeros(6, int), maps) for maps in (heat, other)]
    # The blob has the same value in four places, of which any may come first.
    np.testing.assert_allclose(found[0], area(heat) - area([blob(32)] * 6), atol=2e-4)
    expected = area(heat) - area(other)
    assert np.abs(expected).min() > 1e-2
    np.testing.assert_allclose(found[0] - found[1], expected, atol=1e-6)


@pytest.mark.parametrize("side", [30, 31])
def test_a_blob_is_in_the_middle(side):
    away = np.hypot(*(np.indices((side, side)) - (side - 1) / 2))
    expected = np.exp(-(away**2) / (2 * (0.21 * side) ** 2))
    np.testing.assert_allclose(blob(side), expected / expected.max(), rtol=1e-5)


def test_measures_on_masks():
    masks = np.zeros((4, 10, 10), bool)
    masks[:, 2:6, 2:7] = True  # 20 of 100 pixels
    masks[0, 5] = False  # 15
    heat = np.zeros((4, 10, 10))
    heat[0, 2:5, 2:7] = 1.0  # the object
    heat[1] = 0.3  # even
    heat[2, 6:10, 2:7] = 1.0  # beside it
    heat[3, 4:8, 2:7] = np.linspace(1, 0.8, 20).reshape(4, 5)  # half on it, the hotter half
    share = heat[3][masks[3]].sum() / heat[3].sum()
    np.testing.assert_allclose(energy_above_area(heat, masks), [0.85, 0.0, -0.2, share - 0.2])
    np.testing.assert_array_equal(pointing(heat, masks), [1, 0, 0, 1])
    np.testing.assert_allclose(iou(heat, masks)[[0, 2, 3]], [1.0, 0.0, 10 / 30])
    np.testing.assert_array_equal(energy_above_area(np.zeros((1, 10, 10)), masks[:1]), 0)


def test_what_is_lost_without_the_object(pictures):
    images, labels = pictures
    masks = np.zeros(images.shape[:3], bool)
    masks[:, :, : SIDE - 1] = True  # nearly everything
    blue = np.array([0.0, 0.0, 255.0])
    said = np.where(np.arange(12) < 2, 1 - labels, labels)  # a wrong one of each
    lost = dependence(Model(predict, seeing), images, said, masks, blue)
    np.testing.assert_array_equal(lost, [-1, 0] + [1, 0] * 5)
    kept = dependence(Model(predict, seeing), images, labels, np.zeros_like(masks), blue)
    np.testing.assert_array_equal(kept, 0)


def test_layers_come_from_the_output_with_their_moving_statistics():
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(2, 1, name="conv")(inputs))
    x = keras.layers.Dropout(0.5, seed=1)(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    found = layers_from_output([variable.value for variable in model.variables])
    assert [[variable.name.partition(":")[0] for variable in layer] for layer in found] == [
        ["out/kernel", "out/bias"],
        ["norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"],
        ["conv/kernel", "conv/bias"],
    ]


def test_rank_correlation_by_hand():
    def ranks(values):  # equal ones share the mean of their places
        return (values[:, None] > values).sum(axis=1) + (values[:, None] == values).sum(axis=1) / 2

    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(0, 1, (2, 5, 9, 9)), 0)
    maps[1, 1] = maps[0, 1] ** 3  # of equal ranks
    maps[1, 2] = maps[0, 2].max() - maps[0, 2]
    maps[1, 3] = maps[0, 4] = 0.25  # which points nowhere
    found = rank_correlation(*maps)
    expected = np.corrcoef(ranks(maps[0, 0].ravel()), ranks(maps[1, 0].ravel()))[0, 1]
    np.testing.assert_allclose(found, [expected, 1, -1, 0, np.nan], atol=1e-12)
    assert 0.01 < abs(found[0]) < 0.5
