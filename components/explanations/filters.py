"""What a filter looks for: the picture that it answers to most, by gradient ascent in input space.

"Deep Learning with Python", 2nd edition, 9.4.2. What makes patterns clean, jitter, blur and a
penalty on high frequencies, is of Olah, Mordvintsev and Schubert, "Feature Visualization"
(Distill, 2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from components.explanations.activations import standardised

TOGETHER = 16  # filters that ascend in one batch: more need more memory and gain no time


@dataclass(frozen=True)
class Ascent:
    """How patterns are found; the defaults are the book's."""

    steps: int = 30
    step: float = 10.0  # length of each, as a share of the range of values
    noise: tuple[float, float] = (0.4, 0.6)  # to begin with: uniform, between these shares of it
    border: int = 2  # at most: pixels of the map left out at each side, which see the input's
    value_range: float = 1.0  # what is white in the model's input: 255 where it rescales inside
    jitter: int = 0  # pixels by which the picture is moved at random before each step
    blur: float = 0.0  # standard deviation in pixels of what smooths each step's gradient
    frequency_penalty: float = 0.0  # weight of the mean squared difference of neighbours, in shares
    seed: int = 0  # of noise and jitter


def patterns(
    model: keras.Model,
    layer: str,
    filters: Sequence[int],
    *,
    side: int,
    how: Ascent = Ascent(),  # it is frozen
) -> np.ndarray:
    """Finds the pattern of each filter, many in one batch.

    Args:
        model: functional, from float32 [batch, side, side, 3].
        layer: whose output, [batch, h, w, channels], holds the filters.
        filters: indices of channels.
        side: of the square pictures that are made, in pixels.
        how: see there.

    Returns:
        float32 [filters, side, side, 3] in the model's range, as found; see `drawn`.
    """
    rng = np.random.default_rng(how.seed)
    step = _step(keras.Model(model.input, model.get_layer(layer).output), side, how)
    low, high = (share * how.value_range for share in how.noise)
    found = []
    for start in range(0, len(filters), TOGETHER):
        chosen = tf.constant(list(filters[start : start + TOGETHER]), tf.int32)
        images = tf.constant(rng.uniform(low, high, (len(chosen), side, side, 3)), tf.float32)
        for _ in range(how.steps):
            shift = rng.integers(-how.jitter, how.jitter + 1, 2)
            images = step(images, chosen, tf.constant(shift, tf.int32))
        found.append(images.numpy())
    return np.concatenate(found)


def drawn(pattern: np.ndarray, crop: int = 25) -> np.ndarray:
    """A pattern as a picture of mean 128 and deviation 64, its border cut off.

    Args:
        pattern: float [side, side, 3].
        crop: pixels cut off at each side, whose neighbours are missing.

    Returns:
        uint8 [side - 2 * crop, side - 2 * crop, 3].
    """
    side = len(pattern)
    return standardised(pattern)[crop : side - crop, crop : side - crop]


def _step(trunk: keras.Model, side: int, how: Ascent) -> Callable[..., tf.Tensor]:
    """(images, filters, shift) -> images one step further; traced once for all filters."""
    kernel = _gaussian(how.blur) if how.blur else None

    def loss(images: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        answers = tf.gather(trunk(images, training=False), chosen, axis=3, batch_dims=1)
        cuts = [min(how.border, (length - 1) // 2) for length in answers.shape[1:3]]  # some stay
        height, width = (slice(cut, -cut or None) for cut in cuts)
        # Summed: the images are independent of each other.
        found = tf.reduce_sum(tf.reduce_mean(answers[:, height, width], [1, 2]))
        if not how.frequency_penalty:
            return found
        shares = images / how.value_range
        rough = tf.square(shares[:, 1:] - shares[:, :-1])[:, :, :-1]
        rough += tf.square(shares[:, :, 1:] - shares[:, :, :-1])[:, :-1]
        return found - how.frequency_penalty * tf.reduce_sum(tf.reduce_mean(rough, [1, 2, 3]))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, side, side, 3], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ]
    )
    def step(images: tf.Tensor, chosen: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        images = tf.roll(images, shift, axis=[1, 2])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            value = loss(images, chosen)
        gradients = tape.gradient(value, images)
        if kernel is not None:
            gradients = tf.nn.depthwise_conv2d(gradients, kernel, [1, 1, 1, 1], "SAME")
        gradients = tf.math.l2_normalize(gradients, axis=[1, 2, 3])
        return tf.roll(images + how.step * how.value_range * gradients, -shift, axis=[1, 2])

    return step


def _gaussian(deviation: float) -> tf.Tensor:
    """A kernel for the three colours, float32 [size, size, 3, 1], that sums to 1."""
    reach = int(np.ceil(3 * deviation))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    square = np.outer(line, line) / line.sum() ** 2
    return tf.constant(np.repeat(square[:, :, None, None], 3, axis=2), tf.float32)
