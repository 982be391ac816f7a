"""What a model costs to run, counted from the shapes of its layers."""

import math

import keras

_COUNTED = (
    keras.layers.Dense,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.SeparableConv2D,
)
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
    if isinstance(layer, _COUNTED):
        # What meets a whole kernel, [height, width, channels of a group, filters]: each value of
        # the output, but of the input where a convolution is transposed.
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
        taps = sum(math.prod(kernel.shape) for kernel in kernels)
        return taps * _positions(layer.input if transposed else layer.output)
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
