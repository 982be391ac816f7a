"""Intermediate activations and filter patterns, against the book's own code in NumPy."""

import keras
import numpy as np
import pytest

from components.explanations.activations import activations, grid, spatial_layers, standardised
from components.explanations.filters import TOGETHER, Ascent, drawn, patterns


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(5, 3, activation="relu", name="first")(inputs)
    x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.SeparableConv2D(4, 3, name="second")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 2], bias[2] = 0.0, -1.0  # this one never answers
    model.get_layer("first").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).uniform(0, 1, (16, 16, 3)).astype(np.float32)


def test_all_layers_that_convolve_or_pool_are_seen(model, image):
    names = spatial_layers(model)
    found = {one.layer: one for one in activations(model, image, names)}
    assert list(found) == ["first", "pool", "second"]
    kernel, bias = model.get_layer("first").get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))
    expected = np.maximum(np.einsum("yxcij,ijck->yxk", windows, kernel) + bias, 0)
    np.testing.assert_allclose(found["first"].values, expected, atol=1e-5)
    pooled = expected.reshape(7, 2, 7, 2, 5).max(axis=(1, 3))
    np.testing.assert_allclose(found["pool"].values, pooled, atol=1e-5)
    assert found["first"].dead.tolist() == [False, False, True, False, False]
    assert found["first"].sparsity == pytest.approx((expected == 0).mean())
    assert not found["second"].dead.any()
    (alone,) = activations(model, image, ["second"])
    np.testing.assert_allclose(alone.values, found["second"].values, atol=1e-6)


def test_a_channel_is_standardised_as_in_the_book():
    channel = np.random.default_rng(1).exponential(2.0, (9, 7)).astype(np.float32)
    expected = np.clip((channel - channel.mean()) / channel.std() * 64 + 128, 0, 255)
    assert np.abs(standardised(channel).astype(float) - expected).max() <= 1
    assert expected.max() == 255  # something is clipped
    np.testing.assert_array_equal(standardised(np.full((4, 4), 3.5, np.float32)), 0)


def test_tiles_lie_in_rows_with_a_gap():
    tiles = [np.full((2, 3), value, np.uint8) for value in range(1, 6)]
    expected = np.zeros((5, 11), np.uint8)
    for value, (top, left) in enumerate([(0, 0), (0, 4), (0, 8), (3, 0), (3, 4)], start=1):
        expected[top : top + 2, left : left + 3] = value
    np.testing.assert_array_equal(grid(tiles, per_row=3), expected)
    assert grid([np.zeros((2, 2, 3), np.uint8)]).shape == (2, 2, 3)


def ascended(model, noise, index, *, steps, step, border):
    """The book's loop for one filter of `first`, whose gradient is known by hand."""
    kernel, bias = model.get_layer("first").get_weights()
    image = noise.astype(np.float64)
    for _ in range(steps):
        windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(0, 1))
        active = np.einsum("yxcij,ijc->yx", windows, kernel[..., index]) + bias[index] > 0
        inner = np.zeros_like(active)
        inner[border:-border, border:-border] = active[border:-border, border:-border]
        count = (active.shape[0] - 2 * border) * (active.shape[1] - 2 * border)
        gradient = np.zeros_like(image)
        for y, x in zip(*np.nonzero(inner), strict=True):
            gradient[y : y + 3, x : x + 3] += kernel[..., index] / count
        image += step * gradient / np.sqrt(max((gradient**2).sum(), 1e-12))
    return image


@pytest.mark.parametrize("value_range", [1.0, 255.0])
def test_patterns_climb_as_in_the_book(model, value_range):
    wanted = [4, 0, 2]
    how = Ascent(steps=5, value_range=value_range, seed=9)
    found = patterns(model, "first", wanted, side=16, how=how)
    drawn = np.random.default_rng(9).uniform(0.4 * value_range, 0.6 * value_range, (3, 16, 16, 3))
    for index, noise, pattern in zip(wanted, drawn, found, strict=True):
        expected = ascended(model, noise, index, steps=5, step=10 * value_range, border=2)
        np.testing.assert_allclose(pattern, expected, rtol=1e-3, atol=1e-3 * value_range)
    # Nothing leads the dead filter away from its noise.
    np.testing.assert_allclose(found[2], drawn[2], rtol=1e-6)


def test_of_a_small_map_less_border_is_left_out():
    """A map of 16 x 4: what changes is what all but two rows and one column at each side see."""
    inputs = keras.Input((16, 16, 3))
    layer = keras.layers.Conv2D(1, (1, 4), strides=(1, 4))
    small, how = keras.Model(inputs, layer(inputs)), Ascent(noise=(0.5, 0.5))
    found = patterns(small, layer.name, [0], side=16, how=how)[0]
    expected = np.zeros((16, 16, 3), bool)
    expected[2:-2, 4:-4] = True
    np.testing.assert_array_equal(found != 0.5, expected)


def test_many_filters_are_found_as_one_alone(model):
    """More than ascend in one batch: the answer of each layer's last filters is the same."""
    how = Ascent(steps=3, noise=(0.5, 0.5))
    many = patterns(model, "second", [0, 1, 2, 3] * 5, side=16, how=how)
    assert len(many) > TOGETHER
    for number in range(4):
        np.testing.assert_allclose(many[number], many[number + 16], atol=1e-4)
    assert np.abs(many[0] - many[1]).max() > 1


def test_options_make_patterns_smoother(model):
    def roughness(**options):
        found = patterns(model, "second", [0, 1], side=16, how=Ascent(steps=10, **options))
        return np.abs(np.diff(found, axis=1)).mean() / found.std()

    plain = roughness()
    assert roughness(blur=1.5) < 0.7 * plain
    assert roughness(frequency_penalty=1.0) < 0.9 * plain
    assert roughness(jitter=4) != plain


def test_a_pattern_is_drawn_without_its_border():
    pattern = np.random.default_rng(4).normal(3, 7, (20, 20, 3))
    pattern[0] = 1000  # the border counts in the mean, as in the book, and is cut off then
    expected = np.clip((pattern - pattern.mean()) / pattern.std() * 64 + 128, 0, 255)
    assert np.abs(drawn(pattern, crop=5).astype(float) - expected[5:15, 5:15]).max() <= 1
