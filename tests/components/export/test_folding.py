from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from components import models
from components.explanations.cutting import split_model
from components.explanations.methods import grad_cam, heatmaps
from components.explanations.opening import open_model
from components.export.folding import fold_batch_norms
from serving import names

LAYERS = ("trunk_output", "logits")
SIDE = 71


def norms(model):
    return [one.name for one in model.layers if isinstance(one, layers.BatchNormalization)]


def explained(model, images, layer="trunk_output"):
    """Probabilities, and heatmaps of what speaks for the last class, and against it."""

    def score(sign, logits, _):
        return sign * tf.reduce_sum(tf.reshape(logits[..., -1], [len(images), -1]), axis=1)

    halves, heat = split_model(model, layer, "logits"), []
    for sign in (1.0, -1.0):
        maps, probabilities = grad_cam(*halves, images, partial(score, sign))
        heat.append(heatmaps(maps, images.shape[1:3]).numpy())
    return np.asarray(probabilities), np.stack(heat)


def check_same(model, folded, images, layer="trunk_output"):
    wanted, found = (explained(one, images, layer) for one in (model, folded))
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-5)
    np.testing.assert_allclose(found[1], wanted[1], atol=1e-4)
    assert wanted[1].max() == 1  # something is explained


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).uniform(0, 255, (2, SIDE, SIDE, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "negative", "left"),
    [
        ("mini_xception", False, 0),
        ("mini_xception", True, 5),  # those in front of sums and poolings
        ("xception", True, 0),
        ("keras.applications.MobileNetV2", False, 0),
        ("xception_unet", False, 9),  # of maps side by side, and the one that reads the explained
    ],
)
def test_every_architecture_answers_as_before(learn_norms, noise, name, negative, left):
    keras.utils.set_random_seed(5)
    model = models.build(name, SIDE, 3)
    learn_norms(model, negative)
    before = [weight.copy() for weight in model.get_weights()]
    folded = fold_batch_norms(model, LAYERS)
    check_same(model, folded, noise)
    assert len(norms(folded)) == left < len(norms(model))
    for weight, own in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, own)


@pytest.mark.parametrize("name", ["convnet_small_150", "residual_convnet", "segmentation_convnet"])
def test_without_batch_norms_the_model_is_left_alone(name):
    model = models.build(name, 64, 2)
    assert fold_batch_norms(model, LAYERS) is model


def norm(tensor, **how):
    return layers.BatchNormalization(**how)(tensor)


def padded_reader(x):
    y = layers.Conv2D(4, 1, activation="relu")(x)
    y = layers.Conv2D(6, 1, use_bias=False, name="before")(y)
    a = layers.Activation("relu")(norm(layers.MaxPooling2D(2, padding="same")(y)))
    b = layers.Conv2D(4, 3, strides=2, padding="same")(y)  # a moved y moves no zeros around it
    return layers.Add()([layers.Conv2D(4, 1)(a), b])


def unpadded_readers(x):
    y = layers.Conv2D(6, 3, name="before")(layers.Activation("relu")(x))
    a = layers.SeparableConv2D(4, 3, padding="same")(layers.Activation("relu")(norm(y)))
    readers = (layers.SeparableConv2D(4, 3), layers.DepthwiseConv2D(3), layers.Conv2D(4, 3))
    b = layers.Concatenate()([reader(y) for reader in readers])
    return layers.Concatenate()([layers.Cropping2D(1)(a), b, norm(b)])


def summed_twice(x):
    y = layers.Conv2D(4, 1)(x)
    a = layers.Add()([y, layers.MaxPooling2D(1)(y)])
    return layers.Conv2D(4, 1)(norm(a))


def right_behind(x):
    for layer in (layers.Conv2D(4, 3), layers.DepthwiseConv2D(3, depth_multiplier=2)):
        x = layers.Activation("relu")(norm(layer(x), scale=False))
    x = norm(layers.SeparableConv2D(6, 3)(x), center=False)
    return norm(layers.Dense(5)(layers.Activation("tanh")(x)))


def not_linear(x):
    x = norm(layers.Conv2D(4, 3, activation="relu")(x))
    x = norm(layers.Conv2D(4, 3, groups=2)(x))
    return norm(layers.Activation("tanh")(norm(layers.Conv2DTranspose(4, 3)(x))))


def called_twice(x):
    again = layers.Conv2D(4, 1)
    return again(layers.Conv2D(3, 1)(norm(again(x))))


def model_inside(x):
    inside = keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()])
    return norm(layers.Conv2D(4, 3)(inside(x)))


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (padded_reader, 1),
        (unpadded_readers, 1),
        (summed_twice, 1),
        (right_behind, 0),
        (not_linear, 4),
        (called_twice, 1),
        (model_inside, 1),
    ],
)
def test_what_cannot_take_its_part_keeps_its_batch_norm(learn_norms, noise, build, left):
    keras.utils.set_random_seed(6)
    inputs = keras.Input((SIDE, SIDE, 3))
    normal = layers.Normalization(mean=[100.0, 120.0, 140.0], variance=[5e3, 6e3, 7e3])(inputs)
    model = keras.Model(inputs, build(normal))
    learn_norms(model)
    folded = fold_batch_norms(model)
    assert len(norms(folded)) == left
    wanted = np.asarray(model(noise, training=False))
    np.testing.assert_allclose(np.asarray(folded(noise, training=False)), wanted, atol=1e-5)


@pytest.mark.parametrize("layer", ["block2_conv_a", "block2_batch_norm_b", "block2_output"])
def test_the_explained_layer_stays_what_it_is(learn_norms, noise, layer):
    keras.utils.set_random_seed(5)
    model = models.build("mini_xception", SIDE, 2)
    learn_norms(model)
    folded = fold_batch_norms(model, (layer, "logits"))
    assert len(norms(folded)) == 1
    check_same(model, folded, noise, layer)


class Own(layers.Layer):
    """Is not made anew from its configuration."""

    def __init__(self, function):
        super().__init__()
        self._function = function

    def call(self, images):
        return self._function(images)


def _scaled(images):
    return layers.Lambda(lambda x: x / 127.5 - 1)(images)


def _own(images):
    return Own(lambda x: x / 127.5 - 1)(images)


def _stretched(images):
    x = layers.Conv2D(8, 3, padding="same")(images)
    stretched = layers.Add()([x, layers.Conv2D(1, 1)(x)])
    return layers.Conv2D(8, 1)(layers.BatchNormalization()(stretched))


def _named(images):
    return layers.BatchNormalization()(inputs=layers.Conv2D(8, 3)(images))


def _rows_as_channels(images):
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(layers.Conv2D(8, 3)(images))
    return layers.Reshape((1, 1, -1))(layers.Dense(6)(layers.BatchNormalization()(x)))


@pytest.mark.parametrize("build", [_scaled, _own, _stretched, _named, _rows_as_channels])
def test_models_of_others_answer_as_before(learn_norms, noise, build):
    images = keras.Input((16, 16, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 1)(build(images))))
    model = keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    model.compile(loss=lambda truth, found: truth - found)
    learn_norms(model)
    folded = fold_batch_norms(model)
    assert len(norms(folded)) < len(norms(model))
    pictures = noise[:, :16, :16]
    np.testing.assert_allclose(folded(pictures), model(pictures), rtol=1e-5)


def test_an_offset_that_costs_digits_is_left_where_it_is(learn_norms):
    model = models.build("mini_xception", 48, 2)
    learn_norms(model)
    gamma = model.get_layer("block2_batch_norm_a").gamma
    gamma.assign([1e-4, *gamma.numpy()[1:]])
    assert norms(fold_batch_norms(model, LAYERS)) == ["block2_batch_norm_a"]


def test_a_version_for_a_cpu_answers_and_is_looked_into(export, pictures, images, examples):
    ours = export("five", target="cpu")
    wanted, heat = explained(ours.model, images)
    stored = examples(pictures)
    for signature, asked, told in (
        (names.SIGNATURE_SERVING, {"image_bytes": pictures}, names.OUTPUT_PROBABILITIES),
        (names.SIGNATURE_FROM_EXAMPLES, {"examples": stored}, names.OUTPUT_PROBABILITIES),
        (names.SIGNATURE_CLASSIFY, {"inputs": stored}, names.OUTPUT_SCORES),
    ):
        np.testing.assert_allclose(ours.call(signature, **asked)[told], wanted, atol=1e-5)
        one = ours.call(signature, **{name: given[1:2] for name, given in asked.items()})[told]
        np.testing.assert_allclose(one, wanted[1:2], atol=1e-5)
    found = ours.explain(pictures, len(ours.classes) - 1)
    np.testing.assert_allclose(found[names.OUTPUT_HEATMAP], heat[0], atol=1e-4)
    opened = open_model(str(ours.folder)).model
    assert not norms(opened)
    np.testing.assert_allclose(np.asarray(opened(images, training=False)), wanted, atol=1e-5)
