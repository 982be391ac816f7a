"""The input `class_index`: which class each image of a batch is explained for."""

import tensorflow as tf


def class_of_each(
    class_index: tf.Tensor, batch_size: tf.Tensor, classes: int, default: str
) -> tf.Tensor:
    """One class index per image, once all are known to name a class.

    Args:
        class_index: int32; a scalar or [1] is meant for every image, [batch] has one each.
        batch_size: int32 scalar, the number of images.
        classes: how many there are.
        default: what -1 stands for, for the message.

    Returns:
        int32 [batch], each -1 or a class. In a graph, running it with anything else fails with
        INVALID_ARGUMENT.
    """
    rank, count = tf.rank(class_index), tf.size(class_index)
    fits = tf.logical_and(rank <= 1, tf.logical_or(count == 1, count == batch_size))
    length = tf.debugging.Assert(
        fits,
        [
            "class_index: expected a scalar, one value for all images ([1]) or one for each"
            " ([batch]); found shape",
            tf.shape(class_index),
            "for a batch of",
            batch_size,
        ],
    )
    message = f"class_index: expected -1 ({default}) or one of 0 to {classes - 1}"
    known = tf.reduce_all(tf.logical_and(class_index >= -1, class_index < classes))
    # One value at a time is printed otherwise.
    value = tf.debugging.Assert(known, [message + "; found", class_index], summarize=8)
    with tf.control_dependencies([length, value]):
        return tf.broadcast_to(tf.reshape(class_index, [-1]), [batch_size])
