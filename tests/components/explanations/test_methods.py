"""Class activation maps against NumPy: gradients known by hand, or by finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.explanations import load_explanation
from components.explanations.cutting import split_model
from components.explanations.methods import heatmaps
from components.export.saved_model import ExportOptions, export_model
from components.models import ModelSpec
from components.models.blocks import class_output
from components.tasks import get_task
from serving.classes import Classes

SIDE = 8
CHANNELS = 4
MAP = 4  # side of the explained map


def bilinear(maps, side):
    """Bilinear resize of [batch, h, w] to a square at half-pixel centres, edges held."""

    def weights(size):
        centres = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
        low = np.minimum(centres.astype(int), size - 1)
        high = np.minimum(low + 1, size - 1)
        matrix = np.zeros((side, size))
        matrix[np.arange(side), low] += 1 - (centres - low)
        matrix[np.arange(side), high] += centres - low
        return matrix

    return weights(maps.shape[1]) @ maps @ weights(maps.shape[2]).T


def heatmap_from(features, channel_weights, side=SIDE):
    """Features [batch, h, w, c] and channel weights [batch, c] -> heatmaps as in the paper."""
    maps = np.maximum(np.einsum("bhwc,bc->bhw", features, channel_weights), 0)
    maps = bilinear(maps, side)
    peaks = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > 0)


def tiny_classifier(dense, bias=0.1, seed=0):
    """A strided convolution -> trunk_output -> mean -> dense: d logit / d A_k = w_k / (h * w)."""
    dense = np.array(dense).reshape(CHANNELS, -1)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(CHANNELS, 2, strides=2, name="trunk_output")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, class_output(x, max(dense.shape[1], 2)))
    rng = np.random.default_rng(seed)
    kernel = rng.normal(0, 0.01, (2, 2, 3, CHANNELS))
    kernel -= kernel.mean(axis=(0, 1, 2))  # so that contributions have both signs
    model.get_layer("trunk_output").set_weights([kernel, rng.normal(0, 0.5, CHANNELS)])
    model.get_layer("logits").set_weights([dense, np.full(dense.shape[1], bias)])
    return model


def trunk_by_hand(model, images):
    kernel, bias = model.get_layer("trunk_output").get_weights()
    patches = images.reshape(len(images), MAP, 2, MAP, 2, 3)
    return np.einsum("bhywxc,yxck->bhwk", patches, kernel.astype(float)) + bias


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(0, 255, (5, SIDE, SIDE, 3)).astype(np.float32)


def run(model, images, score, layer="trunk_output", *, method="grad_cam", flip=False):
    trunk, head = split_model(model, layer, "logits")
    explain = load_explanation(method, flip=flip)
    maps, probabilities = explain(trunk, head, tf.constant(images), score)
    return heatmaps(maps, images.shape[1:3]).numpy(), probabilities.numpy()


def logit(logits, _):
    return logits[:, 0]


def negative_logit(logits, _):
    return -logits[:, 0]


DENSE = [1.5, -0.7, 0.4, -1.1]


@pytest.mark.parametrize(("score", "sign"), [(logit, 1), (negative_logit, -1)])
def test_heatmap_equals_the_analytic_one(images, score, sign):
    model = tiny_classifier(DENSE)
    heat, probabilities = run(model, images, score)
    features = trunk_by_hand(model, images)
    alpha = np.tile(sign * np.array(DENSE) / MAP**2, (len(images), 1))
    reference = heatmap_from(features, alpha)
    assert 0.1 < (reference > 0).mean() < 0.9
    np.testing.assert_allclose(heat, reference, atol=1e-5)
    np.testing.assert_allclose(heat.max(axis=(1, 2)), 1, atol=1e-6)
    expected = 1 / (1 + np.exp(-(features.mean(axis=(1, 2)) @ DENSE + 0.1)))
    np.testing.assert_allclose(probabilities[:, 1], expected, atol=1e-6)


def test_where_nothing_speaks_for_the_score_there_are_zeros(images):
    # All contributions negative: positive features, negative weights.
    model = tiny_classifier([-1.0, -2.0, -0.5, -0.1])
    kernel, bias = model.get_layer("trunk_output").get_weights()
    model.get_layer("trunk_output").set_weights([np.abs(kernel), np.abs(bias)])
    np.testing.assert_array_equal(run(model, images, logit)[0], 0)
    assert run(model, images, negative_logit)[0].max() == pytest.approx(1)
    # A score that ignores the features.
    heat, _ = run(tiny_classifier(DENSE), images, lambda logits, _: tf.zeros(len(images)))
    np.testing.assert_array_equal(heat, 0)
    # A picture of one colour gives a map of one value, which points nowhere.
    flat = np.full((1, SIDE, SIDE, 3), 200, np.float32)
    model = tiny_classifier(DENSE)
    values = np.einsum("bhwc,c->bhw", trunk_by_hand(model, flat), DENSE)
    assert np.ptp(values) < 1e-6 < abs(values[0, 0, 0])
    for score in (logit, negative_logit):
        np.testing.assert_array_equal(run(model, flat, score)[0], 0)


def test_maps_are_stretched_to_height_and_width():
    maps = np.tile(np.array([0.2, 0.7, 0.4], np.float32), (1, 2, 1))
    expected = np.tile(bilinear(maps, 9)[:, :1], (1, 4, 1))
    np.testing.assert_allclose(heatmaps(maps, (4, 9)), expected / 0.7, atol=1e-6)


def test_a_layer_with_a_way_round_it_is_explained():
    """features -> dense, plus a way round them: the gradient is that of the features alone."""
    keras.utils.set_random_seed(8)  # with some weights nothing speaks for the logit
    inputs = keras.Input((SIDE, SIDE, 3))
    stem = keras.layers.Conv2D(CHANNELS, 2, strides=2, name="stem")(inputs)
    branch = keras.layers.Conv2D(CHANNELS, 1, name="branch")(stem)
    x = keras.layers.Add()([stem, keras.layers.Activation("tanh")(branch)])
    x = keras.layers.Dense(1, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(x))
    images = np.random.default_rng(8).uniform(0, 2, (3, SIDE, SIDE, 3)).astype(np.float32)
    heat, probabilities = run(model, images, logit, "branch")

    kernel, bias = model.get_layer("branch").get_weights()
    features = np.asarray(keras.Model(inputs, stem)(images)) @ kernel[0, 0] + bias
    slope = 1 - np.tanh(features) ** 2
    dense = model.get_layer("logits").get_weights()[0][:, 0]
    expected = heatmap_from(features, slope.mean(axis=(1, 2)) * dense)
    assert (expected > 0).mean() > 0
    np.testing.assert_allclose(heat, expected, atol=1e-5)
    np.testing.assert_allclose(probabilities, np.asarray(model(images)), atol=1e-6)


def sure(logits, probabilities):
    """By what the model says of the whole picture; of those seen through a channel it is sure."""
    return tf.where(probabilities[:, 1] > 0.995, logits[:, 0], -logits[:, 0])


@pytest.mark.parametrize(
    ("score", "sign"), [(logit, 1), (negative_logit, -1), (sure, [1, -1, -1, 1, 1])]
)
def test_score_cam_asks_the_model_through_every_channel(images, score, sign, monkeypatch):
    monkeypatch.setattr("components.explanations.methods.MASKED_TOGETHER", 2)  # of four channels
    model = tiny_classifier([15.0, -7.0, 4.0, -11.0])
    seen, probabilities = run(model, images, score, method="score_cam")
    features = trunk_by_hand(model, images)
    dense = model.get_layer("logits").get_weights()[0][:, 0]
    low, high = features.min(axis=(1, 2), keepdims=True), features.max(axis=(1, 2), keepdims=True)
    masks = (features - low) / (high - low)
    scores = []
    for channel in range(CHANNELS):
        masked = bilinear(masks[..., channel], SIDE)[..., None] * images
        scores.append(sign * (trunk_by_hand(model, masked).mean(axis=(1, 2)) @ dense + 0.1))
    raised = np.exp(np.stack(scores, axis=1) - np.max(scores, axis=0)[:, None])
    weights = raised / raised.sum(axis=1, keepdims=True)
    assert 0.3 < weights.max(axis=1).min() < 0.99
    np.testing.assert_allclose(seen, heatmap_from(features, weights), atol=1e-4)
    np.testing.assert_allclose(probabilities, np.asarray(model(images)), atol=1e-6)


@pytest.mark.parametrize("method", ["grad_cam", "score_cam"])
def test_heat_of_an_image_and_its_mirror_image_takes_no_side(images, method):
    model = tiny_classifier([15.0, -7.0, 4.0, -11.0])
    flipped = images[:, :, ::-1]
    own, probabilities = run(model, images, logit, method=method, flip=True)
    mirrored, _ = run(model, flipped, logit, method=method, flip=True)
    np.testing.assert_allclose(own, mirrored[:, :, ::-1], atol=1e-5)
    plain, expected = run(model, images, logit, method=method)
    assert np.abs(plain - own).max() > 0.05
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


def export(model, task, classes, folder):
    """explain(pictures uint8 [batch, SIDE, SIDE, 3], class_index) through the SavedModel."""
    told = {"task": get_task(task), "classes": Classes(classes), "side": SIDE}
    options = ExportOptions(ModelSpec("tiny", "elsewhere:build"))
    export_model(model, folder, **told, options=options)
    loaded = tf.saved_model.load(str(folder))

    def explain(pictures, class_index):
        encoded = tf.constant([tf.io.encode_png(picture).numpy() for picture in pictures])
        index = tf.constant(class_index)
        answer = loaded.signatures["grad_cam"](image_bytes=encoded, class_index=index)
        return {key: value.numpy() for key, value in answer.items()}

    return explain


@pytest.mark.parametrize("saturated", [False, True])
def test_classes_of_the_endpoint_are_the_two_signs_of_the_logit(images, tmp_path, saturated):
    """The endpoint scores logits: a probability of 1 has no gradient left."""
    pictures = images.astype(np.uint8)
    features = trunk_by_hand(tiny_classifier(DENSE), pictures.astype(float))
    logits = features.mean(axis=(1, 2)) @ DENSE
    # The bias parts the pictures, so that -1 means either class.
    middle = float(np.sort(logits)[1:3].mean())
    model = tiny_classifier(DENSE, bias=40.0 if saturated else -middle)
    best = np.ones(5, int) if saturated else (logits > middle).astype(int)
    assert set(best) == ({1} if saturated else {0, 1})
    explain = export(model, "image_classification", ("cat", "dog"), tmp_path / "model")
    for class_index, signs in ((0, -np.ones(5)), (1, np.ones(5)), (-1, 2 * best - 1)):
        expected = heatmap_from(features, signs[:, None] * np.array(DENSE))
        answer = explain(pictures, class_index)
        np.testing.assert_allclose(answer["heatmap"], expected, atol=1e-5)
    assert (answer["probability"] == 1).all() == saturated


def test_a_class_of_five_is_explained_by_its_own_logit(images, tmp_path):
    pictures = images.astype(np.uint8)
    dense = np.random.default_rng(8).normal(0, 1, (CHANNELS, 5))
    model = tiny_classifier(dense)
    features = trunk_by_hand(model, pictures.astype(float))
    best = (features.mean(axis=(1, 2)) @ dense).argmax(axis=1)
    explain = export(model, "image_classification", tuple("abcde"), tmp_path / "model")
    for class_index, classes in ((0, [0] * 5), (4, [4] * 5), (-1, best)):
        answer = explain(pictures, class_index)
        assert [label.decode() for label in answer["label"]] == ["abcde"[one] for one in classes]
        expected = heatmap_from(features, dense.T[classes])
        np.testing.assert_allclose(answer["heatmap"], expected, atol=1e-5)


@pytest.fixture(scope="module")
def segmenter():
    """trunk_output -> tanh -> each value four times -> 1 x 1 convolution to three classes.

    All four pixels of a block have its class; the slope of tanh differs from block to block, so
    the heatmap tells which pixels the score was summed over.
    """
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(CHANNELS, 2, strides=2, name="trunk_output")(inputs)
    x = keras.layers.UpSampling2D(2)(keras.layers.Activation("tanh")(x))
    x = keras.layers.Conv2D(3, 1, name="logits")(x)
    model = keras.Model(inputs, keras.layers.Activation("softmax", name="probabilities")(x))
    rng = np.random.default_rng(6)
    kernel = rng.normal(0, 0.01, (2, 2, 3, CHANNELS))
    kernel -= kernel.mean(axis=(0, 1, 2))
    model.get_layer("trunk_output").set_weights([kernel, rng.normal(0, 0.5, CHANNELS)])
    weights = rng.normal(0, 1, (1, 1, CHANNELS, 3))
    # A bias keeps class 2 out of every mask.
    model.get_layer("logits").set_weights([weights, np.array([0.0, 0.1, -50.0])])
    return model


def test_score_of_a_mask_is_summed_over_the_pixels_of_the_class(segmenter, images, tmp_path):
    pictures = images.astype(np.uint8)
    classes = ("foreground", "background", "contour")
    explain = export(segmenter, "image_segmentation", classes, tmp_path / "model")
    features = trunk_by_hand(segmenter, pictures.astype(float))
    kernel, bias = segmenter.get_layer("logits").get_weights()
    logits = np.tanh(features) @ kernel[0, 0] + bias  # of each block of four pixels
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    mask = logits.argmax(axis=-1)
    assert set(np.unique(mask)) == {0, 1}
    slope = 1 - np.tanh(features) ** 2
    for index in (0, 1):
        here = mask == index
        alpha = np.einsum("bhwk,bhw->bk", slope, here) * kernel[0, 0, :, index]
        answer = explain(pictures, index)
        np.testing.assert_allclose(answer["heatmap"], heatmap_from(features, alpha), atol=1e-4)
        everywhere = slope.sum(axis=(1, 2)) * kernel[0, 0, :, index]
        assert np.abs(heatmap_from(features, everywhere) - answer["heatmap"]).max() > 0.01
        expected = [p[h, index].mean() for p, h in zip(probabilities, here, strict=True)]
        np.testing.assert_allclose(answer["probability"], expected, atol=1e-5)
    absent = explain(pictures, 2)
    np.testing.assert_array_equal(absent["heatmap"], 0)
    np.testing.assert_array_equal(absent["probability"], 0)
    assert {label.decode() for label in absent["label"]} == {"contour"}
