"""Temperatures against labels drawn at a known one, and against a search in NumPy."""

import keras
import numpy as np
import pytest

from components import models
from components.export.flip_averaging import flip_averaged_model
from components.export.temperature import BOUNDS, check_scalable, fit_temperature, scale_logits
from serving.errors import InputError

SPEC = models.spec("residual_convnet")


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def drawn(classes, temperature, count=20_000):
    """Logits that are `temperature` times too large, and labels that are right as often as due."""
    rng = np.random.default_rng(classes)
    due = rng.normal(0, 2, (count, classes))
    labels = (softmax(due).cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return due * temperature, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_that_labels_were_drawn_at_is_found(classes, temperature):
    logits, labels = drawn(classes, temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    grid = np.geomspace(0.1, 10, 400)
    losses = [-np.log(softmax(logits / one)[np.arange(len(labels)), labels]).mean() for one in grid]
    assert found == pytest.approx(grid[np.argmin(losses)], rel=0.02)
    if classes == 2:  # as one logit: what speaks for the second
        assert fit_temperature(logits[:, 1:] - logits[:, :1], labels) == pytest.approx(found)


def test_without_labels_of_classes_or_mistakes():
    logits, labels = drawn(3, 2.0, 500)
    strange = np.where(np.arange(500) % 2, 255, -1)
    both = fit_temperature(np.tile(logits, (2, 1)), np.concatenate([labels, strange]))
    assert both == pytest.approx(fit_temperature(logits, labels), rel=1e-4)
    # Where all answers are right it keeps its bound, and without a label nothing is scaled.
    assert fit_temperature(logits, logits.argmax(axis=1)) == pytest.approx(BOUNDS[0], rel=0.01)
    assert fit_temperature(np.ones((2, 3)), np.array([255, -1])) == 1


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_models_logits_are_divided_by_what_suits_its_answers(classes, flip):
    keras.utils.set_random_seed(1)
    model = models.build("residual_convnet", 32, classes)
    logits_layer = model.get_layer("logits")
    logits_layer.set_weights([3 * weight for weight in logits_layer.get_weights()])
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, 32, 32, 3)).astype(np.uint8)
    labels = rng.integers(0, classes, 70)
    whole = flip_averaged_model(model, SPEC) if flip else model

    def logits():
        told = np.log(whole.predict(images.astype(np.float32), verbose=0).astype(np.float64))
        return told - told[:, :1]

    before = logits()
    targets = labels[:, None] if classes == 2 else np.eye(classes)[labels]  # as trainings have them
    found = scale_logits(model, SPEC, images, targets.astype(np.float32), flip=flip)
    assert found > 1.5
    assert found == pytest.approx(fit_temperature(before, labels), rel=1e-3)
    np.testing.assert_allclose(logits(), before / found, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "scores",
    [
        [keras.layers.Dense(3), keras.layers.Activation("linear", name="logits")],
        [keras.layers.Dense(3, "relu", name="logits")],
        [keras.layers.SeparableConv2D(3, 1, name="logits")],
    ],
)
def test_logits_that_are_no_kernel_times_something_are_told(scores):
    inputs = keras.Input((8, 8, 3))
    model = keras.Sequential([inputs, *scores, keras.layers.Softmax()])
    with pytest.raises(InputError, match=r"temperature_scaling: .*'logits'"):
        check_scalable(model, SPEC)
