"""A better segmenter: Xception's residual blocks down, a decoder with a skip at every depth up.

Ours, after Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation"
(2015), and Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions" (2017).
973,411 parameters at every size; about an eighth of the multiply-adds of `segmentation_convnet`.

    picture 1/1 -> stem 1/2 -> 1/4 -> 1/8 -> 1/16 -> 1/32
                       |        |      |       |       |
    masks   1/1 <- trunk 1/2 <- 1/4 <- 1/8 <- 1/16 <---+
"""

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER

_ENCODER_FILTERS = (64, 128, 256, 384)  # at 1/4, 1/8, 1/16 and 1/32
_DECODER_FILTERS = (192, 128, 64, 32)  # at 1/16, 1/8, 1/4 and 1/2


def xception_unet(
    image_size: int, classes: int, dropout: float = 0.2, batch_norm_momentum: float = 0.9
) -> keras.Model:
    """Builds the model; see `components.models.build` for shapes and ranges.

    Grad-CAM explains the decoder's last map, at half the size: further down the skips lead round
    every layer, and what goes round a layer is missing from its explanation.

    Args:
        dropout: share of the channels at 1/32 that a training step drops, in [0, 1). Whole
            channels: neighbours in a map know too much of each other.
        batch_norm_momentum: how much of the moving averages each step keeps, in [0, 1). They
            follow the weights with a delay of about 1 / (1 - momentum) steps. A few hundred
            pictures make 30 steps an epoch: 10 steps are a third of that; the 100 steps of
            Keras's own default would be three epochs.

    Raises:
        InputError: a rate or a momentum out of range.
    """
    blocks.check_below_one("dropout", dropout)
    blocks.check_below_one("batch_norm_momentum", batch_norm_momentum)
    style = blocks.ConvStyle(momentum=batch_norm_momentum)

    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1.0 / 127.5, offset=-1.0, name="rescaling")(inputs)
    x = keras.layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    skips = []
    for number, filters in enumerate(_ENCODER_FILTERS, start=1):
        skips.append(x)
        name = f"encoder{number}"
        x = blocks.downsampling_block(
            x, filters, style=style, name=name, output_name=f"{name}_output"
        )
    if dropout:
        x = keras.layers.SpatialDropout2D(dropout, name="dropout")(x)
    for filters in _DECODER_FILTERS:
        name = f"decoder{len(skips)}"
        skip = skips.pop()
        output_name = f"{name}_output" if skips else TRUNK_OUTPUT_LAYER
        x = blocks.upsampling_block(
            x, skip, filters, style=style, name=name, output_name=output_name
        )
    # Nothing but the scores is computed at full size, where each channel costs four times as much.
    x = blocks.batch_norm_relu(x, style=style, name="head", part="a")
    x = blocks.upsample_to(x, image_size, image_size, name="head")
    return keras.Model(inputs, blocks.mask_output(x, classes), name="xception_unet")
