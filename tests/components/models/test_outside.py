import sys

import keras
import numpy as np
import pytest

from components import models
from components.models.pretrained import set_phase
from serving.errors import InputError

NETS = """
import keras

from components.models import ModelSpec
from components.models.blocks import class_output


def tiny(image_size, classes, width: int = 4, wide=False, **more):
    inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Conv2D(2 * width if wide else width, 3, name="first")(inputs)
    x = keras.layers.MaxPooling2D(2, name="map")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, keras.layers.Softmax()(x))


def two(image_size, classes):
    inputs = keras.Input((image_size, image_size, 3))
    return keras.Model(inputs, class_output(keras.layers.Flatten()(inputs), classes))


def one_score(image_size, classes):
    inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Dense(1, name="logits")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Activation("sigmoid")(x))


def nameless(image_size, classes):
    inputs = keras.Input((image_size, image_size, 3))
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(inputs)))


def nothing(image_size, classes):
    return None


described = ModelSpec("tiny", "nets_of_theirs:tiny", fine_tune_from="map", ablations=("wide",))
"""


@pytest.fixture(autouse=True)
def _nets(tmp_path, monkeypatch):
    (tmp_path / "nets_of_theirs.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("nets_of_theirs", None)


def test_a_function_is_a_model(pictures):
    name = "nets_of_theirs:tiny"
    spec = models.spec(name)
    assert (spec.name, spec.task, spec.builder) == (name, "", name)
    assert spec.fine_tune_from is None
    model = models.build(name, 16, 5, width=3, anything="goes")
    assert model.get_layer("first").filters == 3
    output = np.asarray(model(pictures(2, 16)))
    assert output.shape == (2, 5)
    np.testing.assert_allclose(output.sum(axis=1), 1.0, atol=1e-5)
    # The last map before the logits, where none is named.
    assert models.explained_layers(model, spec) == ("map", "logits")
    assert models.sources(name) == ("nets_of_theirs",)


def test_a_specification_of_their_own_says_more():
    name = "nets_of_theirs:described"
    spec = models.spec(name)
    assert (spec.name, spec.ablations) == (name, ("wide",))
    assert models.sources(name) == ("nets_of_theirs",)
    model = models.build(name, 16, 3, wide=True)
    assert model.get_layer("first").filters == 8
    set_phase(model, spec, "head")
    assert len(model.trainable_weights) == 2


TWO = r"expected an output of shape \(None, 2\) or \(None, 16, 16, 2\) for 2 classes"
BACKBONE = r"trainer.model: expected a backbone .*did you mean 'keras\.applications"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("tiny", "trainer.model: expected one of .*linear, or an import path"),
        ("keras.applications.MobilNetV3Small", rf"{BACKBONE}\.MobileNetV3Small'\?"),
        ("nets_of_theirs:one_score", rf"'nets_of_theirs:one_score': {TWO}, found \(None, 1\)"),
        ("nets_of_theirs:nameless", "expected a layer 'logits', linear.* name it so"),
        ("nets_of_theirs:two", "expected a layer before the logits .*'trunk_output'"),
        ("nets_of_theirs:nothing", r"expected an input of shape \(None, 16, 16, 3\).*NoneType"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(name, line):
    with pytest.raises(InputError, match=line) as told:
        models.build(name, 16, 2)
    assert "\n" not in str(told.value)


def test_a_model_in_the_model_is_not_cut():
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)], name="inner")
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(inner(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    with pytest.raises(InputError, match=r"a keras\.layers\.Identity named 'trunk_output'"):
        models.explained_layers(model, models.ModelSpec("nested", "a:b"))
