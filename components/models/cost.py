"""What a model costs to run, counted from the shapes of its layers."""

import math
from collections.abc import Callable
from typing import Any

import keras

# Layers with weights that are not a sum of products: a few steps a value, which nobody counts.
_FREE = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications with an addition that one picture takes, forwards.

    Counts convolutions and dense layers as if padding were data. Biases, activations, poolings,
    normalisations and resizing are left out, as is usual.

    Args:
        model: with known height and width; each layer is counted once.

    Raises:
        ValueError: a size is not known, or a layer with weights is of a kind that is not counted.
    """
    return sum(_layer_cost(layer) for layer in model.layers)


def _layer_cost(layer: keras.Layer) -> int:
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    for kind, count in _COUNTERS.items():
        if isinstance(layer, kind):
            return count(layer, _positions(layer.output), _positions(layer.input))
    if layer.weights and not isinstance(layer, _FREE):
        raise ValueError(
            f"cannot count the multiply-adds of layer '{layer.name}', a {type(layer).__name__}"
        )
    return 0


def _positions(tensor: keras.KerasTensor) -> int:
    """Values a channel in one picture; channels are last."""
    sizes = tensor.shape[1:-1]
    if None in sizes:
        raise ValueError(f"multiply-adds of a model for any size: {tensor.name} is {tensor.shape}")
    return math.prod(sizes)


def _dense(layer: keras.Layer, outputs: int, inputs: int) -> int:
    return outputs * math.prod(layer.kernel.shape)


def _convolution(layer: keras.Layer, outputs: int, inputs: int) -> int:
    # The kernel is [height, width, channels of a group, filters].
    return outputs * math.prod(layer.kernel.shape)


def _transposed(layer: keras.Layer, outputs: int, inputs: int) -> int:
    # Each value of the input, not of the output, meets the whole kernel.
    return inputs * math.prod(layer.kernel.shape)


def _separable(layer: keras.Layer, outputs: int, inputs: int) -> int:
    both = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
    return outputs * both


_COUNTERS: dict[Any, Callable[[keras.Layer, int, int], int]] = {
    keras.layers.Dense: _dense,
    keras.layers.Conv2D: _convolution,
    keras.layers.DepthwiseConv2D: _convolution,
    keras.layers.Conv2DTranspose: _transposed,
    keras.layers.SeparableConv2D: _separable,
}
