import pytest

from components import models
from components.models.cost import multiply_adds


@pytest.fixture
def cost_of():
    """(input shape, *layers) -> multiply-adds of those layers, one after the other."""
    import keras

    def count(shape, *layers):
        return multiply_adds(keras.Sequential([keras.Input(shape), *layers]))

    return count


def test_convolutions(cost_of):
    from keras import layers

    assert cost_of((6, 8, 3), layers.Conv2D(5, 3, padding="same")) == 6 * 8 * 9 * 3 * 5
    assert cost_of((6, 8, 3), layers.Conv2D(5, 3)) == 4 * 6 * 9 * 3 * 5
    assert cost_of((6, 8, 3), layers.Conv2D(5, (1, 3), strides=2, padding="same")) == 3 * 4 * 3 * 15
    assert cost_of((6, 8, 4), layers.Conv2D(6, 3, padding="same", groups=2)) == 48 * 9 * 2 * 6


def test_depthwise_and_separable_convolutions(cost_of):
    from keras import layers

    depthwise = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)
    assert cost_of((6, 8, 3), depthwise) == 48 * 9 * 3 * 2
    separable = layers.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2)
    assert cost_of((6, 8, 3), separable) == 12 * (9 * 3 * 2 + 6 * 5)


def test_transposed_convolutions_count_by_their_input(cost_of):
    from keras import layers

    doubling = layers.Conv2DTranspose(5, 3, strides=2, padding="same")
    assert cost_of((6, 8, 3), doubling) == 6 * 8 * 9 * 3 * 5
    # Without overlap each output value comes from one input value: 2x2 kernel, stride 2.
    assert cost_of((6, 8, 3), layers.Conv2DTranspose(5, 2, strides=2)) == 12 * 16 * 3 * 5


def test_dense_layers(cost_of):
    from keras import layers

    assert cost_of((7,), layers.Dense(5)) == 35
    assert cost_of((4, 7), layers.Dense(5)) == 4 * 35


def test_the_rest_is_free_and_parts_add_up(cost_of):
    import keras
    from keras import layers

    free = (
        layers.Rescaling(2.0),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.ReLU(),
        layers.UpSampling2D(),
    )
    assert cost_of((6, 8, 3), *free) == 0
    inner = keras.Sequential([keras.Input((6, 8, 3)), layers.Conv2D(5, 1)])
    assert cost_of((6, 8, 3), *free, layers.MaxPooling2D(2), inner, layers.Conv2D(2, 1)) == (
        48 * 15 + 48 * 10
    )


def test_what_cannot_be_counted_is_refused(cost_of):
    from keras import layers

    with pytest.raises(ValueError, match="'recurrent'"):
        cost_of((4, 6), layers.LSTM(3, name="recurrent"))
    with pytest.raises(ValueError, match="any size"):
        cost_of((None, None, 3), layers.Conv2D(5, 3))


def test_a_whole_model_by_hand():
    # residual_convnet at 32: two 3x3 convolutions and a projection a block, then the score.
    by_hand = 32 * 32 * 9 * (3 * 32 + 32 * 32) + 16 * 16 * 3 * 32
    by_hand += 16 * 16 * 9 * (32 * 64 + 64 * 64) + 8 * 8 * 32 * 64
    by_hand += 8 * 8 * 9 * (64 * 128 + 128 * 128) + 8 * 8 * 64 * 128
    by_hand += 128
    assert multiply_adds(models.build("residual_convnet", 32, 2)) == by_hand
