"""A decoded split to batches: shuffled afresh every epoch, augmented, weighed, fetched ahead."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from components.trainer.devices.replicas import part
from components.trainer.input.augmentation import Augment
from components.trainer.input.split import Split


def training_batches(
    split: Split,
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
        split: of `load_split`; has to be kept for as long as batches are drawn.
        batch_size: Examples of a batch, over all nodes; an epoch's last batch may be smaller.
        augment, weigh: see `make_augment`; targets -> weights of the loss.
        share: number of this node and count of all; each takes its part of every batch.

    Returns:
        (float32 [batch, ...], targets) pairs, of images in [0, 255], with `weigh` followed by the
        weights; `steps_per_epoch` an epoch.
    """
    steps = steps_per_epoch(split, batch_size)
    node, count = share

    def order(epoch: Any) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(len(split), dtype=tf.int64), seed=tf.stack([tf.cast(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)

    def finish(step: Any, batch: tuple[Any, Any]) -> tuple[Any, ...]:
        inputs, targets = batch
        if augment is not None:
            shapes = inputs.shape, targets.shape
            inputs, targets = augment(inputs, targets, step * count + node)
            inputs = tf.ensure_shape(inputs, shapes[0])
            targets = tf.ensure_shape(targets, shapes[1])
        return (inputs, targets) if weigh is None else (inputs, targets, weigh(targets))

    rows = tf.data.Dataset.range(first_epoch, epochs).flat_map(order)
    if count > 1:
        rows = rows.map(lambda row: part(row, node, count))
    batches = batches_of(split, rows)
    if augment is not None or weigh is not None:
        batches = batches.enumerate(first_epoch * steps).map(
            finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        batches = batches.prefetch(2)
    return batches


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Batches that hold every Example once; the last may be smaller."""
    return -(-len(split) // batch_size)


def batches_of(split: Split, rows: tf.data.Dataset) -> tf.data.Dataset:
    """The Examples of each element of `rows`, int64 [batch]; elements as in `training_batches`."""
    # TensorFlow keeps the function for as long as the process lives; not so the arrays.
    held = weakref.ref(split)

    def take(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        source = held()
        assert source is not None, "the split has to outlive its batches"
        return source.inputs[row], source.targets[row]

    dtypes = split.inputs.dtype, split.targets.dtype
    shapes = split.inputs.shape[1:], split.targets.shape[1:]

    def fetch(row: Any) -> tuple[Any, Any]:
        taken, target = tf.numpy_function(take, [row], dtypes, stateful=False)
        taken.set_shape((None, *shapes[0]))
        target.set_shape((None, *shapes[1]))
        return tf.cast(taken, tf.float32), target

    return rows.map(fetch, num_parallel_calls=2, deterministic=True).prefetch(2)
