"""How the rows of a batch are shared among replicas. None may get an empty part: no rows make the
statistics of batch norm NaN, and some kernels fail on them.
"""

from typing import Any

import tensorflow as tf

from serving.errors import InputError


def part(rows: Any, index: Any, count: int) -> Any:
    """One of several parts of a batch: every `count`-th row.

    Args:
        rows: tensor [n, ...].
        index: of the part, from 0 to `count` - 1; int or int32 scalar.
        count: of the parts.

    Returns:
        Tensor [n / count rounded up or down, ...]; all rows if there are fewer of them than parts.
        In metrics they then count once a part, in the loss once.
    """
    few = tf.shape(rows)[0] < count
    taken = rows[tf.where(few, 0, index) :: tf.where(few, 1, count)]
    return tf.ensure_shape(taken, (None, *rows.shape[1:]))


def check_batch_size(batch_size: int, count: int) -> None:
    """Refuses a batch that replicas cannot share evenly.

    Args:
        batch_size: examples a step, over all replicas.
        count: of the replicas.

    Raises:
        InputError: it is no multiple of the replicas.
    """
    if batch_size % count:
        raise InputError(
            "trainer.batch_size",
            expected=f"a multiple of the {count} devices that share a batch",
            found=str(batch_size),
        )


def check_first_batch(batch_size: int, examples: int, count: int) -> None:
    """Refuses a training split of less than a batch, which GPUs cannot share evenly.

    Keras averages the parts of the first batch over a strategy's replicas, to learn its shapes.

    Args:
        batch_size: examples a step, over all replicas.
        examples: of the training split.
        count: of the replicas on one node.

    Raises:
        InputError: there is not one whole batch.
    """
    if count > 1 and examples < batch_size:
        raise InputError(
            "the training split",
            expected=f"at least one batch ({batch_size}) to share among {count} GPUs",
            found=f"{examples} examples",
            todo="lower trainer.batch_size",
        )


def evaluation_rows(examples: int, batch_size: int, count: int) -> tf.data.Dataset:
    """Which examples make up each batch of validation, on one node.

    The first batch can be shared evenly (see `check_first_batch`). The last one takes up to
    `count` - 1 examples more rather than too few.

    Args:
        examples: of the validation split.
        batch_size: of training, over all replicas.
        count: of the replicas on one node.

    Returns:
        int64 [batch], all numbers from 0 to `examples` - 1 once and in order.

    Raises:
        InputError: too few examples for so many replicas.
    """
    if count == 1:
        return tf.data.Dataset.range(examples).batch(batch_size)
    size = min(batch_size, examples) // count * count
    if 0 < examples - size < count:
        size -= count
    if size <= 0:
        raise InputError(
            "the validation split",
            expected=f"at least {2 * count} examples to share among {count} GPUs",
            found=str(examples),
        )
    ends = sorted({*range(size, examples - count + 1, size), examples})
    return tf.data.Dataset.from_tensor_slices(([0, *ends[:-1]], ends)).map(
        lambda start, end: tf.range(tf.cast(start, tf.int64), tf.cast(end, tf.int64))
    )
