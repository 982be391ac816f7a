import itertools
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from components import models
from components.explanations.cutting import split_model
from serving.errors import InputError

# Name: the size it is published for; its parameters and the map that Grad-CAM explains there;
# the smallest size and, where it can differ, an odd one.
PUBLISHED = {
    "convnet_baseline": (180, 991_041, (7, 7, 256), (78, 97)),
    "convnet_small_150": (150, 3_453_121, (15, 15, 128), (46, 97)),
    "mini_xception": (180, 721_857, (6, 6, 512), (32, 97)),
    "residual_convnet": (32, 297_697, (8, 8, 128), (8, 33)),
    "segmentation_convnet": (200, 2_880_643, (25, 25, 256), (32, 96)),
    "vgg16": (224, 14_714_688 + 512 + 1, (7, 7, 512), (32, 97)),
    "xception": (299, 20_861_480 + 2048 + 1, (10, 10, 2048), (71,)),
    "xception_unet": (200, 973_411, (100, 100, 32), (32, 97)),
}
SIZE = 96
ON = (False, True)


def classes_of(name: str) -> int:
    """As many as in the book: two, or those of masks."""
    return 3 if models.spec(name).task == "image_segmentation" else 2


@pytest.fixture(scope="module")
def built():
    """Name -> the model at SIZE, made once; nothing here changes its weights."""
    made = {}

    def get(name: str):
        if name not in made:
            made[name] = models.build(name, SIZE, classes_of(name))
        return made[name]

    return get


def test_every_picture_model_is_checked_here():
    of_pictures = {name for name in models.MODEL_NAMES if models.spec(name).task != "points"}
    assert of_pictures == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_map_are_as_published(name):
    size, parameters, explained, _ = PUBLISHED[name]
    model = models.build(name, size, classes_of(name))
    assert model.count_params() == parameters
    assert model.get_layer(models.spec(name).grad_cam_layer).output.shape == (None, *explained)


@pytest.mark.parametrize("name", PUBLISHED)
def test_output_is_probabilities_of_all_classes(name, pictures):
    sizes, usual = PUBLISHED[name][-1], classes_of(name)
    for size, classes in [*((size, usual) for size in sizes), (sizes[0], 5)]:
        output = np.asarray(models.build(name, size, classes)(pictures(2, size)))
        assert output.dtype == np.float32
        place = (size, size) if models.spec(name).task == "image_segmentation" else ()
        assert output.shape == (2, *place, classes)
        assert np.all((output >= 0) & (output <= 1))
        np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_grad_cam_can_cut_the_model_in_two(name, built, pictures):
    model, spec = built(name), models.spec(name)
    trunk, head = split_model(model, spec.grad_cam_layer, spec.logits_layer)
    batch = pictures(2, SIZE)
    features = np.asarray(trunk(batch))
    logits, probabilities = (np.asarray(value) for value in head(features))
    assert features.ndim == 4
    assert 1 < features.shape[1] == features.shape[2] < SIZE
    np.testing.assert_allclose(probabilities, np.asarray(model(batch)), atol=1e-5)
    if spec.task == "image_classification":
        assert logits.shape == (2, 1)
        second = 1 / (1 + np.exp(-logits))
        expected = np.concatenate([1 - second, second], axis=1)
    else:
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        expected = powers / powers.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_more_classes_differ_in_the_head_alone():
    two, five = (models.build("mini_xception", 64, classes) for classes in (2, 5))
    assert five.count_params() == two.count_params() + 4 * (512 + 1)
    assert two.get_layer("probability").output.shape == (None, 1)
    assert not [layer for layer in five.layers if layer.name == "probability"]
    for model in (two, five):
        assert model.get_layer("probabilities").output is model.output
    assert [w.shape for w in two.weights[:-2]] == [w.shape for w in five.weights[:-2]]


@pytest.mark.parametrize("name", PUBLISHED)
def test_answers_are_the_same_alone_and_after_saving(name, built, pictures, tmp_path):
    model, batch = built(name), pictures(3, SIZE)
    together = np.asarray(model(batch))
    alone = np.concatenate([np.asarray(model(batch[i : i + 1])) for i in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(loaded(batch)), together, atol=1e-6)
    # What training does to pictures is the trainer's; here only features are dropped.
    assert not [one for one in model.layers if type(one).__name__.startswith("Rand")]


def test_sizes_that_do_not_fit_are_refused():
    for name, (*_, (smallest, *_)) in PUBLISHED.items():
        with pytest.raises(InputError, match=f"at least {smallest}.*found {smallest - 1}"):
            models.build(name, smallest - 1, 2)
    with pytest.raises(InputError, match=r"multiple of 8, found 100; try 104"):
        models.build("segmentation_convnet", 100, 2)


@pytest.mark.parametrize("call", [lambda name: models.build(name, 180, 2), models.spec])
def test_unknown_name_gets_the_nearest_one(call):
    with pytest.raises(InputError, match="did you mean 'mini_xception'"):
        call("mini_exception")


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("mini_xception", {"batch_norm_momentom": 0.9}, "did you mean 'batch_norm_momentum'"),
        ("segmentation_convnet", {"dropout": 0.1}, "it has none"),
        ("mini_xception", {"batch_norm_momentum": 1.0}, r"in \[0, 1\)"),
        ("mini_xception", {"batch_norm_momentum": "much"}, "a float, found 'much'"),
        ("mini_xception", {"residual": 1}, "a bool, found 1"),
        ("vgg16", {"dropout": float("nan")}, r"in \[0, 1\), found nan"),
        ("xception_unet", {"batch_norm_momentum": 1.5}, r"in \[0, 1\)"),
    ],
)
def test_wrong_arguments_are_refused(name, args, message):
    with pytest.raises(InputError, match=message):
        models.build(name, 96, 2, **args)


@pytest.mark.parametrize(("residual", "batch_norm", "separable"), itertools.product(ON, ON, ON))
def test_every_ablation_has_its_layers_and_parameters(residual, batch_norm, separable, pictures):
    switches = {"residual": residual, "batch_norm": batch_norm, "separable": separable}
    model = models.build("mini_xception", 64, 2, **switches, batch_norm_momentum=0.5)
    norms = [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]
    assert [one.momentum for one in norms] == [0.5] * 10 * batch_norm
    for name in ("stem", "block1_conv_a", "block5_conv_b", "trunk_output", "logits"):
        model.get_layer(name)
    assert model.get_layer("trunk_output").output.shape == (None, 2, 2, 512)
    assert model(pictures(2, 64)).shape == (2, 2)

    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(keras.layers.Add) == 5 * residual
    assert kinds.count(keras.layers.SeparableConv2D) == 10 * separable
    assert kinds.count(keras.layers.Conv2D) == 1 + 5 * residual + 10 * (not separable)
    convolutions = [layer for layer in model.layers if hasattr(layer, "use_bias")]
    biases = [layer.use_bias for layer in convolutions if layer.name != "logits"]
    assert biases == [not batch_norm] * (11 + 5 * residual)

    expected = 5 * 5 * 3 * 32 + (not batch_norm) * 32 + 512 + 1  # the stem and the score
    for before, after in itertools.pairwise([32, 32, 64, 128, 256, 512]):
        for channels in (before, after):
            taps = 9 * channels
            expected += taps + channels * after if separable else taps * after
            expected += 4 * channels if batch_norm else after
        expected += residual * (before * after + (not batch_norm) * after)
    assert model.count_params() == expected


def test_points_have_an_affine_score_of_three_parameters():
    model, spec = models.build("linear", None, 2), models.spec("linear")
    assert spec.task == "points"
    assert [weight.shape for weight in model.trainable_weights] == [(2, 1), (1,)]
    assert (model.count_params(), model.input_shape) == (3, (None, 2))
    assert model.output_shape == (None, 1)
    assert model.get_layer(spec.logits_layer).output is model.output
    w, b = model.get_weights()
    assert 0 < np.abs(w).max() < 0.5
    assert b == 0
    w, b = np.array([[2.0], [-3.0]], np.float32), np.array([0.5], np.float32)
    model.set_weights([w, b])
    points = np.random.default_rng(0).normal(0, 3, (50, 2)).astype(np.float32)
    np.testing.assert_allclose(model.predict(points, verbose=0), points @ w + b, rtol=1e-5)


def test_architectures_import_keras_alone():
    allowed = set(sys.stdlib_module_names) | {"keras", "numpy", "components", "serving"}
    for path in Path(models.__file__).parent.glob("*.py"):
        found = set(re.findall(r"^ *(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE))
        assert found <= allowed, path.name
