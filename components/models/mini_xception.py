"""The book's Xception-like classifier ("Deep Learning with Python", 2nd edition, 9.3.5).

721,857 parameters at every size; the book's own is 180. Each of its three ideas can be left out.
"""

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER

_BLOCK_FILTERS = (32, 64, 128, 256, 512)


def build(
    image_size: int,
    classes: int,
    *,
    residual: bool = True,
    batch_norm: bool = True,
    separable: bool = True,
    batch_norm_momentum: float = 0.99,
) -> keras.Model:
    """Builds the model; see `components.models.build` for shapes and ranges.

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
    for number, filters in enumerate(_BLOCK_FILTERS, start=1):
        last = number == len(_BLOCK_FILTERS)
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
