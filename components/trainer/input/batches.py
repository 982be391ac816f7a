"""Decoded pictures to batches: shuffled afresh every epoch, augmented, weighed, fetched ahead."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from components.trainer.devices.sharing import part
from components.trainer.input.augmentation import Augment
from components.trainer.input.split import Pictures


def training_batches(
    pictures: Pictures,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    *,
    augment: Augment | None = None,
    weigh: Callable[[Any], Any] | None = None,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Shuffled batches of epochs `first_epoch` (counted from 0) to `epochs` - 1, one after another.

    What a step sees depends on the seed and the step's number alone, so a resumed training sees
    what an uninterrupted one would have seen.

    Args:
        pictures: of `load_split`; have to be kept for as long as batches are drawn.
        batch_size: pictures of a batch, over all nodes; an epoch's last batch may be smaller.
        seed: of shuffling.
        first_epoch, epochs: which epochs.
        augment: of `augmentation.make_augment`.
        weigh: targets -> weights of the loss, see `losses.sample_weights`.
        share: number of this node and count of all; each takes its part of every batch.

    Returns:
        (float32 [batch, size, size, 3] in [0, 255], targets) pairs, with `weigh` followed by the
        weights; `steps_per_epoch` an epoch.
    """
    steps = steps_per_epoch(pictures, batch_size)
    node, count = share

    def order(epoch: Any) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(len(pictures), dtype=tf.int64), seed=tf.stack([tf.cast(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)

    def finish(step: Any, batch: tuple[Any, Any]) -> tuple[Any, ...]:
        images, targets = batch
        if augment is not None:
            shapes = images.shape, targets.shape
            images, targets = augment(images, targets, step * count + node)
            images = tf.ensure_shape(images, shapes[0])
            targets = tf.ensure_shape(targets, shapes[1])
        return (images, targets) if weigh is None else (images, targets, weigh(targets))

    rows = tf.data.Dataset.range(first_epoch, epochs).flat_map(order)
    if count > 1:
        rows = rows.map(lambda row: part(row, node, count))
    batches = _fetch(pictures, rows)
    if augment is not None or weigh is not None:
        batches = batches.enumerate(first_epoch * steps).map(
            finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
    return batches.prefetch(2)


def batches_of(pictures: Pictures, rows: tf.data.Dataset) -> tf.data.Dataset:
    """The pictures of each element of `rows`, int64 [batch]; elements as in `training_batches`."""
    return _fetch(pictures, rows).prefetch(2)


def steps_per_epoch(pictures: Pictures, batch_size: int) -> int:
    """Batches that hold every picture once; the last may be smaller."""
    return -(-len(pictures) // batch_size)


def _fetch(pictures: Pictures, rows: tf.data.Dataset) -> tf.data.Dataset:
    # TensorFlow keeps the function for as long as the process lives; not so the pictures.
    held = weakref.ref(pictures)

    def take(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        source = held()
        assert source is not None, "the pictures have to outlive their batches"
        return source.images[row], source.targets[row]

    dtypes = tf.uint8, pictures.targets.dtype
    shapes = pictures.images.shape[1:], pictures.targets.shape[1:]

    def fetch(row: Any) -> tuple[Any, Any]:
        image, target = tf.numpy_function(take, [row], dtypes, stateful=False)
        image.set_shape((None, *shapes[0]))
        target.set_shape((None, *shapes[1]))
        return tf.cast(image, tf.float32), target

    return rows.map(fetch, num_parallel_calls=2, deterministic=True)
