"""VGG16 (Simonyan & Zisserman, 2014), with a head of our own on its published convolutions.

14,715,201 parameters at every size, 14,714,688 of them the backbone's; its own size is 224.
"""

import keras

from components.models import blocks, pretrained
from components.models.checks import check_below_one, check_image_size

_MEAN_BLUE_GREEN_RED = (103.939, 116.779, 123.68)  # of the ImageNet pictures, in [0, 255]


def build(image_size: int, weights: str = "", dropout: float = 0.5) -> keras.Model:
    """Builds the model; see `components.models.build` for shapes and ranges.

    Args:
        image_size: side of the square input in pixels, at least 32.
        weights: of the backbone, see `pretrained.classifier`.
        dropout: share of the pooled features that a training step drops, in [0, 1).

    Raises:
        InputError: a size or a rate out of range, or a file that does not fit.
        FailedError: the published weights cannot be downloaded.
    """
    check_image_size("vgg16", image_size, minimum=32, why="it halves the picture five times")
    check_below_one("dropout", dropout)
    inputs = blocks.picture_input(image_size)
    # The published weights expect blue first and zero for the mean, in the old [0, 255] units.
    x = keras.ops.flip(inputs, axis=-1)
    offset = [-mean for mean in _MEAN_BLUE_GREEN_RED]
    x = keras.layers.Rescaling(1.0, offset=offset, name="mean_removal")(x)
    return pretrained.classifier(
        "vgg16", keras.applications.VGG16, inputs, x, weights=weights, dropout=dropout
    )
