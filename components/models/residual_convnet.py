"""The book's first residual network ("Deep Learning with Python", 2nd edition, 9.3.2).

297,697 parameters at every size; the book's own is 32.
"""

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER

_BLOCKS = ((32, True), (64, True), (128, False))  # channels, and whether the block pools


def build(image_size: int, classes: int) -> keras.Model:
    """Builds the model; see `components.models.build`."""
    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 255, name="rescaling")(inputs)
    for number, (filters, pooling) in enumerate(_BLOCKS, start=1):
        name = f"block{number}"
        block_input = x
        for part in ("a", "b"):
            x = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"{name}_conv_{part}"
            )(x)
        if pooling:
            x = keras.layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
        x = blocks.residual_sum(
            x,
            block_input,
            strides=2 if pooling else 1,
            bias=True,
            name=name,
            output_name=TRUNK_OUTPUT_LAYER if number == len(_BLOCKS) else f"{name}_add",
        )
    x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
    return keras.Model(
        inputs, blocks.class_output(x, classes, dropout=0.0), name="residual_convnet"
    )
