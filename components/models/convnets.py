"""The book's convnets ("Deep Learning with Python")."""

from typing import Any

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER

# Channels, and whether the block pools.
_RESIDUAL_BLOCKS = ((32, True), (64, True), (128, False))
_XCEPTION_FILTERS = (32, 64, 128, 256, 512)
_ENCODER_FILTERS = (64, 128, 256)
_PADDED: dict[str, Any] = {"kernel_size": 3, "padding": "same", "activation": "relu"}


def convnet_baseline(image_size: int, classes: int) -> keras.Model:
    """That of the 2nd edition, 8.2.5; see `components.models.build`.

    991,041 parameters at the book's size of 180; the last layer grows with the picture.
    """
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    x = _convolutions_and_poolings(x, (32, 64, 128, 256, 256), pool_last=False)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, blocks.class_output(x, classes), name="convnet_baseline")


def convnet_small_150(image_size: int, classes: int) -> keras.Model:
    """That of the 1st edition, 5.2.4, with its dropout; see `components.models.build`.

    3,453,121 parameters at the book's size of 150; the dense layer grows with the picture.
    """
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    x = _convolutions_and_poolings(x, (32, 64, 128, 128), pool_last=True)
    x = keras.layers.Flatten(name="flatten")(x)
    # The book drops out before the wide layer, not before the last one.
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(512, activation="relu", name="dense")(x)
    outputs = blocks.class_output(x, classes, dropout=0.0)
    return keras.Model(inputs, outputs, name="convnet_small_150")


def residual_convnet(image_size: int, classes: int) -> keras.Model:
    """The residual network of the 2nd edition, 9.3.2; see `components.models.build`.

    297,697 parameters at every size; the book's own is 32.
    """
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    for number, (filters, pooling) in enumerate(_RESIDUAL_BLOCKS, start=1):
        name = f"block{number}"
        block_input = x
        for part in ("a", "b"):
            x = keras.layers.Conv2D(filters, name=f"{name}_conv_{part}", **_PADDED)(x)
        if pooling:
            x = keras.layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
        x = blocks.residual_sum(
            x,
            block_input,
            strides=2 if pooling else 1,
            bias=True,
            name=name,
            output_name=TRUNK_OUTPUT_LAYER if number == len(_RESIDUAL_BLOCKS) else f"{name}_add",
        )
    x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
    return keras.Model(
        inputs, blocks.class_output(x, classes, dropout=0.0), name="residual_convnet"
    )


def mini_xception(
    image_size: int,
    classes: int,
    *,
    residual: bool = True,
    batch_norm: bool = True,
    separable: bool = True,
    batch_norm_momentum: float = 0.99,
) -> keras.Model:
    """The Xception-like classifier of the 2nd edition, 9.3.5; see `components.models.build`.

    721,857 parameters at every size; the book's own is 180. Each of its three ideas can be left
    out.

    Args:
        residual: whether each block's input is added to its output.
        batch_norm: whether what goes into each convolution of a block is normalised; without it
            convolutions have a bias.
        separable: whether the blocks' convolutions are depthwise separable; full ones otherwise.
        batch_norm_momentum: how much of the moving averages each step keeps, in [0, 1). The
            default needs many hundreds of steps before inference agrees with training; short
            runs need a lower one, such as 0.9. Without `batch_norm` it does nothing.

    Raises:
        InputError: a momentum out of range.
    """
    blocks.check_below_one("batch_norm_momentum", batch_norm_momentum)
    style = blocks.ConvStyle(
        separable=separable, batch_norm=batch_norm, momentum=batch_norm_momentum
    )
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    # Colours are not independent of each other, which a separable convolution would assume.
    x = keras.layers.Conv2D(32, 5, use_bias=not batch_norm, name="stem")(x)
    for number, filters in enumerate(_XCEPTION_FILTERS, start=1):
        last = number == len(_XCEPTION_FILTERS)
        x = blocks.downsampling_block(
            x,
            filters,
            style=style,
            residual=residual,
            name=f"block{number}",
            output_name=TRUNK_OUTPUT_LAYER if last else f"block{number}_output",
        )
    x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
    return keras.Model(inputs, blocks.class_output(x, classes), name="mini_xception")


def segmentation_convnet(image_size: int, classes: int) -> keras.Model:
    """The encoder-decoder for masks of the 2nd edition, 9.2; see `components.models.build`.

    2,880,643 parameters at every size; the book's own is 200.
    """
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    depths = list(enumerate(_ENCODER_FILTERS, start=1))
    for number, filters in depths:
        name = TRUNK_OUTPUT_LAYER if number == len(depths) else f"encoder{number}"
        x = keras.layers.Conv2D(filters, strides=2, name=f"encoder{number}_down", **_PADDED)(x)
        x = keras.layers.Conv2D(filters, name=name, **_PADDED)(x)
    for number, filters in reversed(depths):
        name = f"decoder{number}"
        x = keras.layers.Conv2DTranspose(filters, name=name, **_PADDED)(x)
        x = keras.layers.Conv2DTranspose(filters, strides=2, name=f"{name}_up", **_PADDED)(x)
    return keras.Model(inputs, blocks.mask_output(x, classes), name="segmentation_convnet")


def _convolutions_and_poolings(
    x: keras.KerasTensor, filters: tuple[int, ...], *, pool_last: bool
) -> keras.KerasTensor:
    """Unpadded 3x3 convolutions with relu; the last one is explained. Poolings of 2 between them.

    With `pool_last` a pooling follows the last convolution too.
    """
    for number, channels in enumerate(filters, start=1):
        last = number == len(filters)
        name = TRUNK_OUTPUT_LAYER if last else f"conv{number}"
        x = keras.layers.Conv2D(channels, 3, activation="relu", name=name)(x)
        if pool_last or not last:
            x = keras.layers.MaxPooling2D(2, name=f"pool{number}")(x)
    return x
