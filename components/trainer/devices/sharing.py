"""How the rows of a batch are shared among replicas. None may get an empty part: no rows make the
statistics of batch norm NaN, and some kernels fail on them.
"""

from typing import Any

import tensorflow as tf

from serving.errors import InputError


def part(rows: Any, index: Any, count: int) -> Any:
    """Part `index` of a batch [n, ...] that `count` parts share: every `count`-th row.

    All rows if there are fewer of them than parts. In metrics they then count once a part, in the
    loss once.
    """
    few = tf.shape(rows)[0] < count
    taken = rows[tf.where(few, 0, index) :: tf.where(few, 1, count)]
    return tf.ensure_shape(taken, (None, *rows.shape[1:]))


def evaluation_rows(examples: int, batch_size: int, count: int) -> tf.data.Dataset:
    """Which examples make up each batch of validation, on one node.

    The first batch can be shared evenly (see `Distribution.check_batches`). The last one takes up
    to `count` - 1 examples more rather than too few.

    Args:
        examples: of the split.
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
