import keras
import numpy as np
import pytest

from components.models import blocks

MAPS = np.random.default_rng(3).normal(size=(2, 7, 6, 4)).astype(np.float32)


@pytest.fixture
def applied():
    """(block, *inputs) -> the model of the block and its answer to those arrays."""

    def apply(block, *arrays):
        inputs = [keras.Input(array.shape[1:]) for array in arrays]
        model = keras.Model(inputs, block(*inputs))
        return model, np.asarray(model(list(arrays)))

    return apply


def projected(model, name, maps, strides):
    """A 1x1 convolution in NumPy."""
    kernel = np.asarray(model.get_layer(name).kernel)[0, 0]
    return maps[:, ::strides, ::strides] @ kernel


@pytest.mark.parametrize(("height", "width"), [(14, 12), (13, 12), (14, 11), (13, 11)])
def test_upsampling_repeats_and_cuts(height, width, applied):
    _, output = applied(lambda x: blocks.upsample_to(x, height, width, name="u"), MAPS)
    expected = MAPS.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize(
    ("channels", "strides", "bias"),
    [(4, 1, True), (3, 1, False), (3, 1, True), (4, 2, False), (3, 2, True)],
)
@pytest.mark.parametrize("size", [6, 7])
def test_residual_sum_projects_where_shapes_differ(size, channels, strides, bias, applied):
    def block(x, y):
        return blocks.residual_sum(x, y, strides=strides, bias=bias, name="r", output_name="out")

    inputs = MAPS[:, :size, :, :channels]
    x = MAPS[:, : -(-size // strides), : 6 // strides]
    model, output = applied(block, x, inputs)
    same = channels == 4 and strides == 1
    expected = x + (inputs if same else projected(model, "r_projection", inputs, strides))
    np.testing.assert_allclose(output, expected, atol=1e-5)
    assert model.count_params() == (0 if same else channels * 4 + 4 * bias)


@pytest.mark.parametrize(("separable", "residual"), [(0, 1), (1, 1), (0, 0)])
def test_downsampling_without_its_convolutions_is_the_projection(separable, residual, applied):
    how = {"style": blocks.ConvStyle(separable=bool(separable)), "residual": bool(residual)}

    def block(x):
        return blocks.downsampling_block(x, 5, **how, name="d", output_name="out")

    model, output = applied(block, MAPS)
    assert output.shape == (2, 4, 3, 5)
    direct = projected(model, "d_projection", MAPS, 2) if residual else np.zeros_like(output)
    assert np.abs(output - direct).max() > 0.01
    last = model.get_layer("d_conv_b")
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    np.testing.assert_allclose(np.asarray(model([MAPS])), direct, atol=1e-5)
    assert model.layers[-1].name == "out"


def test_upsampling_block_sees_both_maps(applied):
    rng = np.random.default_rng(5)
    skip = rng.normal(size=(2, 13, 12, 3)).astype(np.float32)
    style = blocks.ConvStyle()

    def block(x, y):
        return blocks.upsampling_block(x, y, 5, style=style, name="u", output_name="out")

    model, output = applied(block, MAPS, skip)
    assert output.shape == (2, 13, 12, 5)
    last = model.get_layer("u_conv_b")
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    both = np.concatenate([MAPS.repeat(2, 1).repeat(2, 2)[:, :13, :12], skip], axis=-1)
    expected = projected(model, "u_projection", both, 1)
    np.testing.assert_allclose(np.asarray(model([MAPS, skip])), expected, atol=1e-5)


# In a process of its own, because what must not happen is that it dies.
ODD_BATCH = """
import numpy as np
from components import models

images = np.random.default_rng(0).uniform(0, 255, (61, 32, 32, 3)).astype("float32")
labels = np.eye(2, dtype="float32")[np.arange(61) % 2]
model = models.build("residual_convnet", 32, 2)
model.compile("sgd", "categorical_crossentropy")
model.fit(images, labels, batch_size=61, epochs=12, verbose=0)
"""


def test_an_odd_batch_with_strides_does_not_end_the_process(zygote, tmp_path):
    program = tmp_path / "train.py"
    program.write_text(ODD_BATCH)
    zygote.call(program)
