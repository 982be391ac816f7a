"""The book's first convnet ("Deep Learning with Python", 2nd edition, 8.2.5).

991,041 parameters at the book's size of 180; the last layer grows with the picture.
"""

import keras

from components.models import blocks
from components.models.checks import check_image_size

_FILTERS = (32, 64, 128, 256, 256)


def build(image_size: int, classes: int) -> keras.Model:
    """Builds the model; see `components.models.build` for shapes and ranges.

    Args:
        image_size: side of the square input in pixels, at least 78.
        classes: how many.

    Raises:
        InputError: the picture is too small for five unpadded convolutions.
    """
    check_image_size(
        "convnet_baseline",
        image_size,
        minimum=78,
        why="five unpadded convolutions and four poolings",
    )
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    x = blocks.convolutions_and_poolings(x, _FILTERS, pool_last=False)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, blocks.class_output(x, classes), name="convnet_baseline")
