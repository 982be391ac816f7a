import keras
import pytest
from keras import layers

from components.models.cost import multiply_adds

NORMS = [layers.BatchNormalization(), layers.LayerNormalization()]
FREE = [layers.Rescaling(2.0), *NORMS, layers.ReLU(), layers.UpSampling2D()]


def cost_of(shape, *some):
    """Multiply-adds of those layers, one after the other."""
    return multiply_adds(keras.Sequential([keras.Input(shape), *some]))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, 3, padding="same"), 6 * 8 * 9 * 3 * 5),
        (layers.Conv2D(5, 3), 4 * 6 * 9 * 3 * 5),
        (layers.Conv2D(5, (1, 3), strides=2, padding="same"), 3 * 4 * 3 * 15),
        (layers.Conv2D(6, 3, padding="same", groups=3), 48 * 9 * 1 * 6),
        (layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), 48 * 9 * 3 * 2),
        (
            layers.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2),
            12 * (9 * 3 * 2 + 6 * 5),
        ),
        # Counted by its input: without overlap each output value comes from one input value.
        (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 6 * 8 * 9 * 3 * 5),
        (layers.Conv2DTranspose(5, 2, strides=2), 12 * 16 * 3 * 5),
        (layers.Dense(5), 6 * 8 * 3 * 5),
    ],
)
def test_layers_with_kernels(layer, expected):
    assert cost_of((6, 8, 3), layer) == expected


def test_the_rest_is_free_and_parts_add_up():
    assert cost_of((6, 8, 3), *FREE) == 0
    inner = keras.Sequential([keras.Input((12, 16, 3)), layers.Conv2D(5, 1)])
    found = cost_of((6, 8, 3), *FREE, inner, layers.MaxPooling2D(2), layers.Conv2D(2, 1))
    assert found == 192 * 15 + 48 * 10


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="'recurrent'"):
        cost_of((4, 6), layers.LSTM(3, name="recurrent"))
    with pytest.raises(ValueError, match="any size"):
        cost_of((None, None, 3), layers.Conv2D(5, 3))
