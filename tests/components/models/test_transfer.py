import pytest
from keras import layers

from components import models
from components.models.pretrained import set_phase

SIZE = 71


@pytest.fixture(scope="module")
def xception():
    return models.build("xception", SIZE, 2)


def trained_layers(model):
    """Layers in which a training step moves something."""
    return [layer.name for layer in model.layers if layer.trainable_weights]


def test_top_trains_the_last_blocks_of_xception_without_their_batch_norm(xception):
    set_phase(xception, models.spec("xception"), "top")
    named = {"block13_sepconv1", "block13_sepconv2", "block14_sepconv1", "block14_sepconv2"}
    trained = trained_layers(xception)
    assert named | {"logits"} <= set(trained)
    # Frozen, it works with its moving averages.
    norms = [one for one in xception.layers if isinstance(one, layers.BatchNormalization)]
    assert len(norms) == 40 and not any(one.trainable for one in norms)
    # What is left is the projection beside block 13, which the library gives no name of its own.
    (projection,) = set(trained) - named - {"logits"}
    assert xception.get_layer(projection).kernel.shape == (1, 1, 728, 1024)


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


def test_all_trains_everything_again(xception):
    set_phase(xception, models.spec("xception"), "head")
    set_phase(xception, models.spec("xception"), "all")
    # Two moving averages a batch norm, for 40 of them.
    assert len(xception.trainable_weights) == len(xception.weights) - 2 * 40
    assert all(layer.trainable for layer in xception.layers)
