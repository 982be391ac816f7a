"""Where a training image's pixels come from: all random moves as one, by one interpolation.

Mirroring, turning, scaling, shifting and cutting are affine, so one after another is affine too.
Keras has a layer for each; one after another they would blur a image three times and take more
than twice as long (docs/results.md). Uses `keras` only.
"""

import math
from typing import Any

import keras

from components.trainer.sections import AugmentationConfig

_WIDEST = 4 / 3  # of a cut-out, width over height or height over width


def moves(config: AugmentationConfig) -> bool:
    """Whether a configuration moves anything."""
    return any((config.flip, config.rotation, config.zoom, config.translation, config.crop))


def draw_moves(config: AugmentationConfig, images: Any, seed: keras.random.SeedGenerator) -> Any:
    """Draws where each image's pixels are taken from, images [batch, height, width, channels].

    Returns:
        float32 [batch, 8]: rows a0, a1, a2, b0, b1, b2, c0, c1 of
        `keras.ops.image.affine_transform`, in pixels.
    """
    ops = keras.ops
    count = ops.shape(images)[0]
    height, width = images.shape[1:3]

    def draw(low: float, high: float) -> Any:
        return keras.random.uniform((count,), low, high, dtype="float32", seed=seed)

    # The point (x, y) from the middle of the result is taken from turn(mirror(scale * (x, y)))
    # + shift from the middle of the image.
    scale_x = scale_y = ops.ones((count,))
    shift_x = shift_y = ops.zeros((count,))
    if config.crop:
        area = draw(1.0 - config.crop, 1.0)
        aspect = ops.exp(draw(-math.log(_WIDEST), math.log(_WIDEST)))
        scale_x = ops.minimum(ops.sqrt(area * aspect), 1.0)
        scale_y = ops.minimum(ops.sqrt(area / aspect), 1.0)
        shift_x = draw(-0.5, 0.5) * (1.0 - scale_x) * width
        shift_y = draw(-0.5, 0.5) * (1.0 - scale_y) * height
    if config.translation:
        shift_x = shift_x + draw(-config.translation, config.translation) * width
        shift_y = shift_y + draw(-config.translation, config.translation) * height
    if config.zoom:
        zoom = 1.0 + draw(-config.zoom, config.zoom)
        scale_x, scale_y = scale_x * zoom, scale_y * zoom
    if config.flip:
        scale_x = scale_x * ops.where(draw(0.0, 1.0) < 0.5, -1.0, 1.0)
    turn = config.rotation * 2.0 * math.pi
    angle = draw(-turn, turn) if turn else ops.zeros((count,))
    cos, sin = ops.cos(angle), ops.sin(angle)
    a0, a1 = cos * scale_x, -sin * scale_y
    b0, b1 = sin * scale_x, cos * scale_y
    # From pixel numbers to distances from the middle and back.
    middle_x, middle_y = (width - 1) / 2.0, (height - 1) / 2.0
    a2 = shift_x + middle_x - a0 * middle_x - a1 * middle_y
    b2 = shift_y + middle_y - b0 * middle_x - b1 * middle_y
    zeros = ops.zeros((count,))
    return ops.stack([a0, a1, a2, b0, b1, b2, zeros, zeros], axis=1)


def move(pixels: Any, drawn: Any, interpolation: str) -> Any:
    """Moves images or masks, float32 [batch, height, width, channels], as drawn.

    What comes to lie outside of an image shows its mirror image. Masks want "nearest".
    """
    return keras.ops.image.affine_transform(
        pixels, drawn, interpolation=interpolation, fill_mode="reflect"
    )
