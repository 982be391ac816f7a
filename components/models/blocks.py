"""Building blocks, written once: convolution, residual sums, down- and upsampling, outputs.

Of every block, `style` is how it convolves, `filters` the channels of its result, `name` the prefix
of its layers' names, and `output_name` the name of its last layer.
"""

from dataclasses import dataclass

import keras
from keras import KerasTensor

from components.models.spec import LOGITS_LAYER, PROBABILITIES_LAYER, PROBABILITY_LAYER
from serving.errors import InputError


@dataclass(frozen=True)
class ConvStyle:
    """How the convolutions of a block are made.

    Attributes:
        separable: 3x3 depthwise, then 1x1, instead of a full 3x3 convolution.
        batch_norm: normalise what goes into each convolution. Without it, convolutions have the
            bias that the normalisation makes superfluous.
        momentum: how much of the moving averages of batch norm each step keeps, in [0, 1).
    """

    separable: bool = True
    batch_norm: bool = True
    momentum: float = 0.99


def check_below_one(argument: str, value: float) -> None:
    """Refuses an argument, such as a momentum or a dropout rate, that is not in [0, 1).

    Raises:
        InputError: it is out of range, or not a number.
    """
    if not 0.0 <= value < 1.0:
        raise InputError(
            f"trainer.model_args.{argument}", expected="a number in [0, 1)", found=repr(value)
        )


def picture_input(image_size: int) -> KerasTensor:
    """The input of every picture model: float32 [batch, image_size, image_size, 3], [0, 255]."""
    return keras.Input((image_size, image_size, 3), dtype="float32", name="image")


def batch_norm_relu(x: KerasTensor, *, style: ConvStyle, name: str, part: str) -> KerasTensor:
    """Batch norm, if the style has it, and relu; same shape."""
    if style.batch_norm:
        x = keras.layers.BatchNormalization(
            momentum=style.momentum, name=f"{name}_batch_norm_{part}"
        )(x)
    return keras.layers.Activation("relu", name=f"{name}_relu_{part}")(x)


def two_convolutions(x: KerasTensor, filters: int, *, style: ConvStyle, name: str) -> KerasTensor:
    """Twice batch norm, relu and a padded 3x3 convolution: [batch, height, width, filters]."""
    kind = keras.layers.SeparableConv2D if style.separable else keras.layers.Conv2D
    bias = not style.batch_norm
    for part in ("a", "b"):
        x = batch_norm_relu(x, style=style, name=name, part=part)
        x = kind(filters, 3, padding="same", use_bias=bias, name=f"{name}_conv_{part}")(x)
    return x


def residual_sum(
    x: KerasTensor,
    inputs: KerasTensor,
    *,
    strides: int = 1,
    bias: bool,
    name: str,
    output_name: str,
) -> KerasTensor:
    """Adds a block's input to its output, through a 1x1 convolution where the shapes differ.

    Args:
        x: float32 [batch, ceil(height / strides), ceil(width / strides), filters].
        inputs: float32 [batch, height, width, channels].
        strides: what the block divided height and width by.
        bias: whether the 1x1 convolution has one.

    Returns:
        float32, the shape of `x`.
    """
    filters = x.shape[-1]
    if strides > 1:
        # What a convolution of size 1 with strides looks at. Written out, since TensorFlow's
        # gradient of such a convolution writes past its memory on CPUs (seen with TensorFlow
        # 2.21: fewer than 16 channels), and the process dies.
        inputs = keras.layers.MaxPooling2D(
            1, strides=strides, padding="same", name=f"{name}_subsample"
        )(inputs)
    if strides > 1 or inputs.shape[-1] != filters:
        inputs = keras.layers.Conv2D(filters, 1, use_bias=bias, name=f"{name}_projection")(inputs)
    return keras.layers.Add(name=output_name)([x, inputs])


def downsampling_block(
    inputs: KerasTensor,
    filters: int,
    *,
    style: ConvStyle,
    residual: bool = True,
    name: str,
    output_name: str,
) -> KerasTensor:
    """Xception's block: two convolutions and a pooling beside a projection.

    Source: "Deep Learning with Python", 2nd edition, 9.3.5.

    Args:
        inputs: float32 [batch, height, width, channels].
        residual: whether the projection of the input is added.

    Returns:
        float32 [batch, ceil(height / 2), ceil(width / 2), filters].
    """
    x = two_convolutions(inputs, filters, style=style, name=name)
    pool_name = f"{name}_pool" if residual else output_name
    x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name=pool_name)(x)
    if not residual:
        return x
    return residual_sum(
        x, inputs, strides=2, bias=not style.batch_norm, name=name, output_name=output_name
    )


def upsampling_block(
    inputs: KerasTensor,
    skip: KerasTensor,
    filters: int,
    *,
    style: ConvStyle,
    name: str,
    output_name: str,
) -> KerasTensor:
    """A decoder's block: doubles the map, joins the encoder's, two convolutions, residual sum.

    Args:
        inputs: float32 [batch, ceil(height / 2), ceil(width / 2), channels].
        skip: float32 [batch, height, width, others], the encoder's map of that size.

    Returns:
        float32 [batch, height, width, filters].
    """
    x = upsample_to(inputs, skip.shape[1], skip.shape[2], name=name)
    joined = keras.layers.Concatenate(name=f"{name}_join")([x, skip])
    x = two_convolutions(joined, filters, style=style, name=name)
    return residual_sum(x, joined, bias=not style.batch_norm, name=name, output_name=output_name)


def upsample_to(x: KerasTensor, height: int, width: int, *, name: str) -> KerasTensor:
    """Doubles a map, each value four times, and cuts what an odd side has too much.

    Args:
        x: float32 [batch, ceil(height / 2), ceil(width / 2), channels].
        height, width: of the result, in pixels.

    Returns:
        float32 [batch, height, width, channels].
    """
    x = keras.layers.UpSampling2D(2, name=f"{name}_up")(x)
    surplus = (x.shape[1] - height, x.shape[2] - width)
    if any(surplus):
        x = keras.layers.Cropping2D([(0, extra) for extra in surplus], name=f"{name}_cut")(x)
    return x


def class_output(features: KerasTensor, classes: int, *, dropout: float = 0.5) -> KerasTensor:
    """Dropout, if any, the scores and their probabilities.

    Two classes have one score, whose sigmoid is the probability of class 1; more have one each.

    Args:
        features: float32 [batch, channels].
        classes: how many, at least 2.
        dropout: share of the features that a training step drops, in [0, 1).

    Returns:
        float32 [batch, classes]: probabilities that sum to 1.
    """
    if dropout:
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    if classes > 2:
        x = keras.layers.Dense(classes, name=LOGITS_LAYER)(features)
        return keras.layers.Activation("softmax", dtype="float32", name=PROBABILITIES_LAYER)(x)
    x = keras.layers.Dense(1, name=LOGITS_LAYER)(features)
    x = keras.layers.Activation("sigmoid", dtype="float32", name=PROBABILITY_LAYER)(x)
    # Of layers of Keras's own, so that a saved model can be read without this code.
    first = keras.layers.Rescaling(-1.0, offset=1.0, dtype="float32", name="other_probability")(x)
    return keras.layers.Concatenate(dtype="float32", name=PROBABILITIES_LAYER)([first, x])


def mask_output(features: KerasTensor, classes: int) -> KerasTensor:
    """A 3x3 convolution to one score a class, and their softmax.

    Args:
        features: float32 [batch, height, width, channels].
        classes: how many, at least 2.

    Returns:
        float32 [batch, height, width, classes]: probabilities that sum to 1.
    """
    x = keras.layers.Conv2D(classes, 3, padding="same", name=LOGITS_LAYER)(features)
    return keras.layers.Activation("softmax", dtype="float32", name=PROBABILITIES_LAYER)(x)
