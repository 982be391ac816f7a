"""The book's plain convnets ("Deep Learning with Python"): unpadded convolutions and poolings."""

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER


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
