import functools

import h5py
import keras
import numpy as np
import pytest

from components import models
from components.explanations.cutting import split_model
from components.models.pretrained import set_phase
from serving.errors import FailedError, InputError

SIZE = 75  # pixels; 71 is the smallest that Xception takes


@pytest.fixture(scope="module")
def backbones():
    """Name -> the library's own model without its top, random weights."""
    keras.utils.set_random_seed(7)
    shape = (SIZE, SIZE, 3)
    made = {
        "xception": keras.applications.Xception(False, weights=None, input_shape=shape),
        "vgg16": keras.applications.VGG16(False, weights=None, input_shape=shape),
    }
    rng = np.random.default_rng(7)
    for model in made.values():  # so that no bias and no moving average is at its start
        model.set_weights([w + rng.uniform(0, 0.01, w.shape) for w in model.get_weights()])
    return made


@pytest.fixture(scope="module")
def weights_files(backbones, tmp_path_factory):
    """(name, kind) -> a file of that backbone's weights, written on first use."""
    folder = tmp_path_factory.mktemp("weights")

    def write(name, kind):
        path = folder / f"{name}{kind}"
        if not path.exists():
            if kind == ".weights.h5":
                backbones[name].save_weights(path)
            else:
                write_as_published(backbones[name], path)
        return path

    return write


def write_as_published(model, path):
    """The layout of the published files: a group a layer, in the model's order."""
    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            # Old Keras put what is trained before what is not.
            weights = layer.trainable_weights + layer.non_trainable_weights
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{number}:0".encode() for number in range(len(weights))]
            group.attrs["weight_names"] = names
            for name, weight in zip(names, weights, strict=True):
                group[name.decode()] = np.asarray(weight)


@pytest.mark.parametrize("kind", [".weights.h5", "_notop.h5"])
@pytest.mark.parametrize("name", ["xception", "vgg16"])
def test_weights_and_preprocessing_are_the_librarys(name, kind, backbones, weights_files, pictures):
    model = models.build(name, SIZE, 2, weights=str(weights_files(name, kind)))
    batch = pictures(2, SIZE)
    prepare = {"xception": keras.applications.xception, "vgg16": keras.applications.vgg16}[name]
    expected = np.asarray(backbones[name](prepare.preprocess_input(batch.copy())))
    outputs = [model.get_layer(layer).output for layer in ("trunk_output", "logits")]
    parts = keras.Model(model.input, outputs)
    features, logits = (np.asarray(value) for value in parts(batch))
    scale = np.abs(expected).max()
    assert expected.std() > 0
    np.testing.assert_allclose(features / scale, expected / scale, atol=1e-5)
    # The head: average over the map, one score.
    kernel, bias = model.get_layer("logits").get_weights()
    score = expected.mean(axis=(1, 2)) @ kernel + bias
    np.testing.assert_allclose(logits / scale, score / scale, atol=1e-5)


def test_dropout_is_the_heads():
    assert models.build("vgg16", 32, 2, dropout=0.25).get_layer("dropout").rate == 0.25
    assert "dropout" not in [layer.name for layer in models.build("vgg16", 32, 2, dropout=0).layers]


@pytest.mark.parametrize("kind", [".weights.h5", "_notop.h5"])
@pytest.mark.parametrize(("name", "other"), [("xception", "vgg16"), ("vgg16", "xception")])
def test_weights_of_another_architecture_are_refused(name, other, kind, weights_files):
    path = weights_files(other, kind)
    with pytest.raises(InputError, match=f"weights of {name} without its top") as error:
        models.build(name, SIZE, 2, weights=str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file_name", "line"),
    [
        ("notes", "does not fit"),
        ("empty.h5", "does not fit"),
        ("cut_notop.h5", "does not fit"),
        ("nowhere.h5", "nowhere.h5', which is not there"),
        ("", "which is a folder"),
    ],
)
def test_what_holds_no_weights_is_refused(file_name, line, weights_files, tmp_path):
    path, kind = tmp_path / file_name, file_name.partition(".")[0]
    if kind == "notes":
        path.write_text("not weights at all")
    elif kind == "empty":
        h5py.File(path, "w").close()
    elif kind == "cut_notop":
        whole = weights_files("vgg16", "_notop.h5").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=line):
        models.build("vgg16", 32, 2, weights=str(path))


def test_a_download_is_asked_for_by_name_and_told_where_it_fails(monkeypatch):
    asked = []

    @functools.wraps(keras.applications.VGG16)
    def backbone(*, include_top, weights, input_tensor, input_shape):
        asked.append((include_top, weights, input_shape))
        if len(asked) > 1:
            raise Exception("URL fetch failure on https://example.invalid:\nno route")
        inputs = keras.utils.get_source_inputs(input_tensor)
        return keras.Model(inputs, keras.layers.Conv2D(3, 5)(input_tensor))

    monkeypatch.setattr(keras.applications, "VGG16", backbone)
    model = models.build("vgg16", 32, 2, weights="imagenet", dropout=0.0)
    assert asked == [(False, "imagenet", (32, 32, 3))]
    assert model.output_shape == (None, 2)
    with pytest.raises(FailedError, match=r"vgg16 could not be had .*model_args\.weights") as told:
        models.build("vgg16", 32, 2, weights="imagenet")
    assert "\n" not in str(told.value)


# They scale to [-1, 1], by mean and deviation, and by the mean with colors turned round.
PREPARING = [("MobileNet", "mobilenet"), ("DenseNet121", "densenet"), ("VGG19", "vgg19")]


@pytest.mark.parametrize(("name", "module"), PREPARING)
def test_any_backbone_prepares_as_the_library_does(name, module, pictures):
    model = models.build(f"keras.applications.{name}", 32, 5)
    prepared = keras.Model(model.input, model.get_layer("prepare").output)
    batch = pictures(2, 32)
    expected = getattr(keras.applications, module).preprocess_input(batch.copy())
    np.testing.assert_allclose(np.asarray(prepared(batch)), expected, atol=1e-5)


def test_a_backbone_that_prepares_by_itself_is_explained_too(pictures):
    name = "keras.applications.MobileNetV3Small"
    keras.utils.set_random_seed(3)
    model = models.build(name, 64, 5)
    keras.utils.set_random_seed(3)
    backbone = keras.applications.MobileNetV3Small((64, 64, 3), include_top=False, weights=None)
    layers = models.explained_layers(model, models.spec(name))
    assert layers == ("trunk_output", "logits")
    trunk, head = split_model(model, *layers)
    features = trunk(pictures(1, 64))
    expected = np.asarray(backbone(pictures(1, 64)))
    assert expected.std() > 0
    np.testing.assert_allclose(np.asarray(features), expected, atol=1e-4 * expected.max())
    _, probabilities = head(features)
    assert probabilities.shape == (1, 5)
    np.testing.assert_allclose(np.sum(probabilities), 1.0, atol=1e-5)


def trained_layers(model):
    """Layers in which a training step moves something."""
    return [layer.name for layer in model.layers if layer.trainable_weights]


def test_phases_of_xception_and_its_batch_norm():
    xception = models.build("xception", 71, 2)
    set_phase(xception, models.spec("xception"), "top")
    named = {"block13_sepconv1", "block13_sepconv2", "block14_sepconv1", "block14_sepconv2"}
    trained = trained_layers(xception)
    assert named | {"logits"} <= set(trained)
    # Frozen, it works with its moving averages.
    norms = [one for one in xception.layers if isinstance(one, keras.layers.BatchNormalization)]
    assert len(norms) == 40 and not any(one.trainable for one in norms)
    # What is left is the projection beside block 13, which the library gives no name of its own.
    (projection,) = set(trained) - named - {"logits"}
    assert xception.get_layer(projection).kernel.shape == (1, 1, 728, 1024)
    for phase in ("head", "all"):
        set_phase(xception, models.spec("xception"), phase)
    # Everything again: but two moving averages of each batch norm.
    assert len(xception.trainable_weights) == len(xception.weights) - 2 * 40
    assert all(layer.trainable for layer in xception.layers)


def test_top_trains_the_last_block_of_vgg16():
    model = models.build("vgg16", 32, 2)
    set_phase(model, models.spec("vgg16"), "top")
    assert trained_layers(model) == ["block5_conv1", "block5_conv2", "block5_conv3", "logits"]


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0"])
def test_top_of_any_backbone_is_its_last_fifth(name):
    name = f"keras.applications.{name}"
    model, spec = models.build(name, 32, 5), models.spec(name)
    set_phase(model, spec, "head")
    assert trained_layers(model) == ["logits"]
    set_phase(model, spec, "top")
    names = [layer.name for layer in model.layers]
    backbone = names.index("trunk_output") + 1
    first = names.index(trained_layers(model)[0])
    assert 0.8 * backbone - 1 <= first < 0.9 * backbone
    assert not [name for name in trained_layers(model) if "bn" in name]
