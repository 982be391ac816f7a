"""Xception (Chollet, 2017), whole, with a head of our own on its published convolutions.

20,863,529 parameters at every size, 20,861,480 of them the backbone's; its own size is 299.
"""

import keras

from components.models import blocks, pretrained
from components.models.checks import check_below_one, check_image_size


def build(image_size: int, weights: str = "", dropout: float = 0.5) -> keras.Model:
    """Builds the model; see `components.models.build` for shapes and ranges.

    Args:
        image_size: side of the square input in pixels, at least 71.
        weights: of the backbone, see `pretrained.classifier`.
        dropout: share of the pooled features that a training step drops, in [0, 1).

    Raises:
        InputError: a size or a rate out of range, or a file that does not fit.
        FailedError: the published weights cannot be downloaded.
    """
    check_image_size("xception", image_size, minimum=71, why="as published")
    check_below_one("dropout", dropout)
    inputs = blocks.picture_input(image_size)
    # From [0, 255] to [-1, 1], as the published weights expect.
    x = keras.layers.Rescaling(1.0 / 127.5, offset=-1.0, name="rescaling")(inputs)
    return pretrained.classifier(
        "xception", keras.applications.Xception, inputs, x, weights=weights, dropout=dropout
    )
