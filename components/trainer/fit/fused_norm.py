"""Batch norm of a training in TensorFlow's one kernel, instead of Keras's dozen operations.

Those read and write each map many times over: about a third of a training step of mini-Xception on
a CPU (docs/results.md). Layers, weights and saved files stay Keras's own.
"""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


def fuse_batch_norms(model: keras.Model) -> None:
    """Lets the batch norms of a model use the fused kernel; may be repeated.

    The result is Keras's, up to rounding. Other axes than the last of four, masks, float64 and
    synchronized layers are left to Keras.

    Args:
        model: built; its steps are traced afterwards, without XLA (which fuses by itself).
    """
    for layer in batch_norms(model):
        if _fits(layer):
            layer.call = _fused_call(layer)


def batch_norms(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    """The batch norms of a model and of the models in it."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            yield layer
        elif isinstance(layer, keras.Model):
            yield from batch_norms(layer)


def _fits(layer: keras.layers.BatchNormalization) -> bool:
    rank = layer.input_spec.ndim if layer.built else None
    plain = layer.center and layer.scale and not (layer.renorm or layer.synchronized)
    return rank == 4 and layer.axis in (-1, 3) and plain and layer.compute_dtype != "float64"


def _fused_call(layer: keras.layers.BatchNormalization) -> Any:
    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None:
            return type(layer).call(layer, inputs, training=training, mask=mask)
        learns = bool(training) and layer.trainable
        moving = (layer.moving_mean, layer.moving_variance)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            layer.gamma,
            layer.beta,
            *(() if learns else moving),
            epsilon=layer.epsilon,
            is_training=learns,
        )
        if learns:
            # The kernel's is the unbiased estimate, Keras keeps the variance of the batch itself.
            count = tf.cast(tf.size(inputs, tf.int64) // layer.gamma.shape[0], tf.float32)
            variance *= (count - 1.0) / count
            for variable, value in zip(moving, (mean, variance), strict=True):
                variable.assign(variable * layer.momentum + value * (1.0 - layer.momentum))
        return outputs

    return call
