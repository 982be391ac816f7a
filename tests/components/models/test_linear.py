"""The linear model of points, against NumPy."""

import keras
import numpy as np
import pytest

from components import models


@pytest.fixture
def model():
    keras.utils.set_random_seed(3)
    return models.build("linear", None, 2)


def test_three_parameters_and_one_score(model):
    assert model.count_params() == 3
    assert [weight.shape for weight in model.trainable_weights] == [(2, 1), (1,)]
    assert model.input_shape == (None, 2)
    assert model.output_shape == (None, 1)
    assert models.spec("linear").task == "points"
    assert model.get_layer(models.spec("linear").logits_layer).output is model.output
    w, b = model.get_weights()
    assert 0 < np.abs(w).max() < 0.5
    assert b == 0


def test_the_score_is_affine(model):
    w, b = np.array([[2.0], [-3.0]], np.float32), np.array([0.5], np.float32)
    model.set_weights([w, b])
    points = np.random.default_rng(0).normal(0, 3, (50, 2)).astype(np.float32)
    np.testing.assert_allclose(model.predict(points, verbose=0), points @ w + b, rtol=1e-5)
