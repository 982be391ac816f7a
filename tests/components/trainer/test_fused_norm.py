from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components import models
from components.trainer.fit.fused_norm import fuse_batch_norms

CHANNELS = 5
GAMMA = np.linspace(0.5, 2.0, CHANNELS)
BETA = np.linspace(-1.0, 1.0, CHANNELS)
MOMENTUM = 0.9


@pytest.fixture(scope="module")
def build():
    """build(trainable) -> a model of one batch norm with GAMMA and BETA, fused."""

    def run(trainable: bool = True) -> Any:
        inputs = keras.Input((6, 7, CHANNELS))
        layer = keras.layers.BatchNormalization(momentum=MOMENTUM, name="norm")
        model = keras.Model(inputs, layer(inputs))
        layer.set_weights([GAMMA, BETA, np.zeros(CHANNELS), np.ones(CHANNELS)])
        layer.trainable = trainable
        fuse_batch_norms(model)
        return model

    return run


@pytest.fixture(scope="module")
def maps() -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and gradients of a loss with respect to the outputs."""
    rng = np.random.default_rng(0)
    shape = (4, 6, 7, CHANNELS)
    return rng.normal(3, 2, shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)


def step(model: Any, inputs: np.ndarray, slopes: np.ndarray, training: bool) -> list[np.ndarray]:
    """Outputs, and gradients with respect to inputs, gamma and beta; a traced step."""
    layer = model.get_layer("norm")

    @tf.function
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = model(x, training=training)
            loss = tf.reduce_sum(outputs * slopes)
        return outputs, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

    return [value.numpy() for value in run(tf.constant(inputs))]


def test_a_training_step_is_that_of_the_definition(build, maps):
    """Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 1 and section 3."""
    model = build()
    inputs, slopes = maps
    found = step(model, inputs, slopes, training=True)
    x, dy = inputs.astype(np.float64), slopes.astype(np.float64)
    axes, count = (0, 1, 2), inputs.size / CHANNELS
    mean, variance = x.mean(axes), x.var(axes)
    scale = 1.0 / np.sqrt(variance + 1e-3)
    normal = (x - mean) * scale
    d_gamma, d_beta = (dy * normal).sum(axes), dy.sum(axes)
    dx = GAMMA * scale * (dy - d_beta / count - normal * d_gamma / count)
    for value, expected in zip(found, (normal * GAMMA + BETA, dx, d_gamma, d_beta), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)
    _, _, moving_mean, moving_variance = model.get_layer("norm").get_weights()
    np.testing.assert_allclose(moving_mean, (1 - MOMENTUM) * mean, rtol=1e-5)
    np.testing.assert_allclose(moving_variance, MOMENTUM + (1 - MOMENTUM) * variance, rtol=1e-5)


@pytest.mark.parametrize(("trainable", "training"), [(True, False), (False, True)])
def test_inference_and_frozen_layers_use_the_moving_averages(build, maps, trainable, training):
    model = build(trainable)
    inputs, slopes = maps
    outputs, dx, d_gamma, d_beta = step(model, inputs, slopes, training)
    normal = inputs.astype(np.float64) / np.sqrt(1.001)
    np.testing.assert_allclose(outputs, normal * GAMMA + BETA, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dx, slopes * GAMMA / np.sqrt(1.001), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(d_gamma, (slopes * normal).sum((0, 1, 2)), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(d_beta, slopes.sum((0, 1, 2)), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(model.get_layer("norm").get_weights()[2], 0.0)


@pytest.mark.parametrize("name", ["mini_xception", "xception_unet"])
def test_the_kernel_is_really_used_once_a_layer_however_often_it_is_asked_for(name):
    model = models.build(name, 64, 2)
    fuse_batch_norms(model)
    fuse_batch_norms(model)
    layers = [layer for layer in model.layers if "batch_norm" in layer.name]
    assert len(layers) > 5
    for training in (True, False):
        step = tf.function(lambda x, training=training: model(x, training=training))
        graph = step.get_concrete_function(tf.TensorSpec((2, 64, 64, 3))).graph
        kernels = [op for op in graph.get_operations() if op.type == "FusedBatchNormV3"]
        assert len(kernels) == len(layers)
        assert all(kernel.get_attr("is_training") is training for kernel in kernels)
