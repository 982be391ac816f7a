"""The book's small convnet ("Deep Learning with Python", 1st edition, 5.2.4, with its dropout).

3,453,121 parameters at the book's size of 150; the dense layer grows with the picture.
"""

import keras

from components.models import blocks
from components.models.checks import check_image_size

_FILTERS = (32, 64, 128, 128)


def build(image_size: int, classes: int) -> keras.Model:
    """Builds the model; see `components.models.build` for shapes and ranges.

    Args:
        image_size: side of the square input in pixels, at least 46.
        classes: how many.

    Raises:
        InputError: the picture is too small for four unpadded convolutions.
    """
    check_image_size(
        "convnet_small_150",
        image_size,
        minimum=46,
        why="four unpadded convolutions and four poolings",
    )
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    x = blocks.convolutions_and_poolings(x, _FILTERS, pool_last=True)
    x = keras.layers.Flatten(name="flatten")(x)
    # The book drops out before the wide layer, not before the last one.
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(512, activation="relu", name="dense")(x)
    return keras.Model(
        inputs, blocks.class_output(x, classes, dropout=0.0), name="convnet_small_150"
    )
