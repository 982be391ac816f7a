"""The book's encoder-decoder for masks ("Deep Learning with Python", 2nd edition, 9.2).

2,880,643 parameters at every size; the book's own is 200.
"""

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER

_FILTERS = (64, 128, 256)


def build(image_size: int, classes: int) -> keras.Model:
    """Builds the model; see `components.models.build`."""
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    for number, filters in enumerate(_FILTERS, start=1):
        last = number == len(_FILTERS)
        x = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", activation="relu", name=f"encoder{number}_down"
        )(x)
        x = keras.layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            name=TRUNK_OUTPUT_LAYER if last else f"encoder{number}",
        )(x)
    for number, filters in zip(range(len(_FILTERS), 0, -1), reversed(_FILTERS), strict=True):
        x = keras.layers.Conv2DTranspose(
            filters, 3, padding="same", activation="relu", name=f"decoder{number}"
        )(x)
        x = keras.layers.Conv2DTranspose(
            filters, 3, strides=2, padding="same", activation="relu", name=f"decoder{number}_up"
        )(x)
    return keras.Model(inputs, blocks.mask_output(x, classes), name="segmentation_convnet")
