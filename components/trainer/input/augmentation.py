"""Random changes of training images, by Keras's own layers, masks and labels along with them.

What a step sees depends on the seed and the step's number alone: parallel calls give the same as
sequential ones, and a resumed training sees what an uninterrupted one would have seen. Uses `keras`
only, so it also runs under another backend, or inside tf.data under TensorFlow's.
"""

from collections.abc import Callable
from typing import Any

import keras

from components.trainer.input.geometry import draw_moves, move, moves
from components.trainer.sections import AugmentationConfig

_LARGE = 2**30  # seeds are int32 under some backends
_DRAWS = 64  # more than one step draws
_VALUE_RANGE = (0, 255)

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
        config: what is changed and how much.
        masks: whether targets are maps of class ids that move along.
        seed: of the training.

    Returns:
        (images, targets, step) -> images and targets of the same shapes, dtypes and ranges, or None
        if nothing is to be changed. Images are float32 [batch, height, width, 3] in
        [0, 255]. Targets are float32 [batch, n] of 0 and 1, which mixup blends, or integer [batch,
        height, width] of class ids, which move by nearest neighbour.
    """
    layers = _layers(config)
    if not layers and not moves(config):
        return None

    def augment(images: Any, targets: Any, step: Any) -> tuple[Any, Any]:
        seeds = StepSeeds(seed, step)
        moving = keras.ops.cast(targets, "float32")[..., None] if masks else targets
        if moves(config):
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


def _layers(config: AugmentationConfig) -> list[Any]:
    """The configured layers after what moves: colour, then what hides and blends."""
    colour = {"value_range": _VALUE_RANGE, "dtype": "float32"}
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
