"""Random changes of training images, masks and labels along with them.

What a step sees depends on the seed and the step's number alone: parallel calls give the same as
sequential ones, and a resumed training sees what an uninterrupted one would have seen.

Mirroring, turning, scaling, shifting and cutting are affine, so one after another is affine too.
Keras has a layer for each; one after another they would blur an image three times and take more
than twice as long (docs/results.md). So all moves are one, by one interpolation.

Uses `keras` only, so it also runs under another backend, or inside tf.data under TensorFlow's.
"""

import math
from collections.abc import Callable
from typing import Any

import keras

from components.trainer.sections import AugmentationConfig

_LARGE = 2**30  # seeds are int32 under some backends
_DRAWS = 64  # more than one step draws
_WIDEST = 4 / 3  # of a cut-out, width over height or height over width

Augment = Callable[[Any, Any, Any], tuple[Any, Any]]


class StepSeeds(keras.random.SeedGenerator):
    """Random seeds that follow from a number, instead of from how many were drawn before.

    Keras's random functions ask the generator they are given for the next seed.

    Args:
        seed: of the training.
        step: int64 scalar or int, the number of the step since training began.
    """

    def __init__(self, seed: int, step: Any):
        # No variable is made, as the base class would: nothing is kept between the steps. A step
        # has numbers of its own, since torch's backend adds the two halves of a seed.
        self._first = keras.ops.cast(step, "int32") * _DRAWS + seed * 1_000_003 % _LARGE
        self._drawn = 0

    def next(self, ordered: bool = True) -> Any:
        """The next seed, int [2]."""
        del ordered
        self._drawn += 1
        seed = keras.ops.stack([self._first, keras.ops.full_like(self._first, self._drawn)])
        # JAX takes nothing else for a key.
        return keras.ops.cast(seed, "uint32") if keras.backend.backend() == "jax" else seed


def make_augment(config: AugmentationConfig, masks: bool, seed: int) -> Augment | None:
    """Builds the function that changes a batch.

    Args:
        masks: whether targets are maps of class ids that move along.

    Returns:
        (images, targets, step) -> images and targets of the same shapes, dtypes and ranges, or None
        if nothing is to be changed. Images are float32 [batch, height, width, 3] in
        [0, 255]. Targets are float32 [batch, n] of 0 and 1, which mixup blends, or integer [batch,
        height, width] of class ids, which move by nearest neighbour.
    """
    layers = _layers(config)
    if not layers and not _moves(config):
        return None

    def augment(images: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        seeds = StepSeeds(seed, step)
        moving = keras.ops.cast(targets, "float32")[..., None] if masks else targets
        if _moves(config):
            drawn = draw_moves(config, images, seeds)
            images = move(images, drawn, "bilinear")
            moving = move(moving, drawn, "nearest") if masks else moving
        for layer in layers:
            drawn = layer.get_random_transformation(images, training=True, seed=seeds)
            images = layer.transform_images(images, drawn, training=True)
            if isinstance(layer, keras.layers.MixUp):
                moving = layer.transform_labels(moving, drawn, training=True)
        if masks:
            moving = keras.ops.cast(moving[..., 0], targets.dtype)
        return images, moving

    return augment


def _moves(config: AugmentationConfig) -> bool:
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


def _layers(config: AugmentationConfig) -> list[Any]:
    """The configured layers after what moves: colour, then what hides and blends."""
    colour = {"value_range": (0, 255), "dtype": "float32"}
    layers: list[Any] = []
    # Not RandomColorJitter, which joins these four: it draws from seeds of its own.
    if config.brightness:
        layers.append(keras.layers.RandomBrightness(config.brightness, **colour))
    if config.contrast:
        # Two numbers: with one, Keras only ever raises the contrast.
        layers.append(keras.layers.RandomContrast((config.contrast, config.contrast), **colour))
    if config.saturation:
        # Saturation lies in [0, 1] whatever the images' range is, and is clipped to this one. A
        # factor of 0.5 leaves an image as it is.
        around = 0.5 * (1.0 - config.saturation), 0.5 * (1.0 + config.saturation)
        layers.append(keras.layers.RandomSaturation(around, value_range=(0, 1), dtype="float32"))
    if config.hue:
        layers.append(keras.layers.RandomHue(2.0 * config.hue, **colour))  # of half the circle
    if config.erasing:
        # Two equal numbers: with one, Keras draws the probability itself from [0, it].
        twice, areas = (config.erasing, config.erasing), tuple(config.erasing_scale)
        layers.append(keras.layers.RandomErasing(twice, scale=areas, **colour))
    if config.mixup:
        layers.append(keras.layers.MixUp(config.mixup, dtype="float32"))
    return layers
