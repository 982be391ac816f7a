"""What every replica of a model does in a step and after an epoch, to act as one on one device.

Keras gives every replica the same weight, however few rows of an uneven batch it got, and clips
gradients and looks for overflow (mixed_float16) on each alone, before it sums them up. Here the
loss of a replica counts by its rows, and the optimizer gets the sum.

No replica may get an empty part of a batch: no rows make the statistics of batch norm NaN, and some
kernels fail on them.
"""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.devices.nodes import SUM, Nodes
from components.trainer.records.state import seed_states
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


def take_sums(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer take gradients that are summed over the replicas already.

    Keras has no setting for it; tests compare the weights, should Keras sum elsewhere one day.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    inner._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables


def train_step(model: keras.Model, data: Any, nodes: Nodes | None) -> dict[str, Any]:
    """Keras's training step for one of several replicas: metrics over this node's rows so far.

    Args:
        model: compiled; its optimizer is built and takes sums.
        data: this replica's rows, at least one.
        nodes: the nodes that train together; None inside a MirroredStrategy's replica.
    """
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)

    def gradients_of_part() -> Any:
        return _gradients(model, x, y, weights)

    gradients, loss, y_pred = nodes.run(gradients_of_part) if nodes else gradients_of_part()
    tracker = next(metric for metric in model.metrics if metric.name == "loss")
    tracker.update_state(loss, sample_weight=_count(x))
    model.optimizer.apply(gradients, model.trainable_variables)
    return model.compute_metrics(x, y, y_pred, sample_weight=weights)


def _gradients(model: keras.Model, x: Any, y: Any, weights: Any) -> Any:
    """The sum of all replicas' gradients; this one's mean loss and predictions."""
    context = tf.distribute.get_replica_context()
    replicas = float(context.num_replicas_in_sync)
    rows = tf.cast(_count(x), tf.float32)
    share = rows * replicas / context.all_reduce(SUM, rows)
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        # Keras divides it by the number of replicas.
        loss = model.compute_loss(x, y, y_pred, weights, training=True)
        scaled = model.optimizer.scale_loss(loss * tf.cast(share, loss.dtype))
    gradients = tape.gradient(scaled, model.trainable_variables)
    return context.all_reduce(SUM, gradients), loss * replicas, y_pred


def _count(x: Any) -> Any:
    return tf.shape(keras.tree.flatten(x)[0])[0]


def spread_seeds(model: keras.Model, replica: Any) -> None:
    """Gives a replica's random layers (dropout) seeds of their own; the first keeps the model's."""
    for seed in seed_states(model):
        seed.assign(seed.value + tf.cast([replica, 0], seed.dtype))


def spread_mirrored_seeds(model: keras.Model, strategy: tf.distribute.MirroredStrategy) -> None:
    """The same for all replicas of a strategy; may be called again, with the same result."""
    for seed in seed_states(model):
        seed.assign(keras.ops.convert_to_numpy(seed))  # the first replica's, on all

    def spread() -> None:
        spread_seeds(model, tf.distribute.get_replica_context().replica_id_in_sync_group)

    strategy.run(spread)


class Agreement(keras.callbacks.Callback):
    """Makes the logs of an epoch the same on all nodes; comes before all other callbacks.

    Those of training span all nodes, those of validation are the chief's.
    """

    def __init__(self, nodes: Nodes):
        super().__init__()
        self._nodes = nodes
        self._training: dict[str, float] | None = None

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        # Keras has read the metrics of training, and has not yet reset them.
        self._nodes.add_up(self.model.metrics_variables)
        results = self.model.get_metrics_result()
        self._training = {name: float(value) for name, value in results.items()}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if logs is not None:
            logs.update(self._nodes.from_chief(logs | (self._training or {})))
