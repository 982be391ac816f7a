import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from components import models
from components.explanations.cutting import split_model
from components.explanations.methods import grad_cam, heatmaps
from components.export.flip_averaging import flip_averaged, flip_averaged_model

SIDE = 64
# With the layers to explain: those of the architectures, and one that a residual sum leads round.
CASES = [
    ("mini_xception", 2, ""),
    ("residual_convnet", 2, "block2_conv_b"),
    ("segmentation_convnet", 3, ""),
    ("xception_unet", 5, ""),
]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(0, 255, (3, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0])
def case(request):
    """A model and what is known of it."""
    name, classes, layer = request.param
    keras.utils.set_random_seed(7)
    spec = models.spec(name)
    if layer:
        spec = dataclasses.replace(spec, grad_cam_layer=layer)
    return models.build(name, SIDE, classes), spec


def mirror(arrays):
    """Left and right of [batch, height, width, ...] exchanged."""
    return arrays[:, :, ::-1].copy()


def logits_of(model, spec, images):
    half = keras.Model(model.input, model.get_layer(spec.logits_layer).output)
    return np.asarray(half(images, training=False))


def test_the_probabilities_are_those_of_the_mean_logits(case, images):
    model, spec = case
    plain, mirrored = (logits_of(model, spec, each) for each in (images, mirror(images)))
    of_pixels = plain.ndim > 2
    mean = (plain + (mirror(mirrored) if of_pixels else mirrored)) / 2
    if mean.shape[-1] == 1:  # of two classes
        mean = np.concatenate([np.zeros_like(mean), mean], axis=-1)
    exponentials = np.exp(mean)
    expected = exponentials / exponentials.sum(axis=-1, keepdims=True)
    averaged = flip_averaged_model(model, spec)
    seen = np.asarray(averaged(images, training=False))
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    assert np.abs(seen - np.asarray(model(images, training=False))).max() > 1e-4
    assert {id(weight) for weight in averaged.weights} == {id(weight) for weight in model.weights}
    assert averaged.input_shape == model.input_shape
    # Both are asked alike, so a picture and its mirror image have the same answer.
    other = np.asarray(averaged(mirror(images), training=False))
    np.testing.assert_allclose(mirror(other) if of_pixels else other, seen, atol=1e-6)


def test_the_heatmap_is_that_of_both_together(case, images):
    """Channels of both side by side, each weighed by its own mean gradient of the mean score."""
    model, spec = case
    halves = split_model(model, spec.grad_cam_layer, spec.logits_layer)

    def score(logits, _):
        return tf.reduce_sum(tf.reshape(logits[..., 0], [len(images), -1]), axis=1)

    def weighed(pictures):
        """The plain model's sum over the channels, before rectifier and resizing."""
        trunk, head = halves
        between = trunk(pictures, training=False)
        features = between[0] if isinstance(between, list) else between
        with tf.GradientTape() as tape:
            tape.watch(features)
            value = score(head(between, training=False)[0], None)
        weights = tf.reduce_mean(tape.gradient(value, features), axis=[1, 2], keepdims=True)
        return tf.reduce_sum(weights * features, axis=-1).numpy()

    both = np.maximum(weighed(images) + mirror(weighed(mirror(images))), 0)[..., None]
    expected = tf.image.resize(both, [SIDE, SIDE])[..., 0].numpy()
    peaks = expected.max(axis=(1, 2), keepdims=True)
    assert (peaks > 0).any()
    expected = np.divide(expected, peaks, out=np.zeros_like(expected), where=peaks > 0)

    def explained(two, pictures):
        maps, _ = grad_cam(*two, tf.constant(pictures), score)
        return heatmaps(maps, pictures.shape[1:3]).numpy()

    averaged = flip_averaged(*halves)
    heat = explained(averaged, images)
    np.testing.assert_allclose(heat, expected, atol=1e-4)
    np.testing.assert_allclose(mirror(explained(averaged, mirror(images))), heat, atol=1e-4)
    assert np.abs(explained(halves, images) - heat).max() > 0.01
