"""Random weights: what is shuffled in which order, and how heatmaps are compared.

What they do to a trained model is tested with the evaluator.
"""

import keras
import numpy as np

from components.explanations.sanity import layers_from_output, rank_correlation


def test_layers_come_from_the_output_with_their_moving_statistics():
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(2, 1, name="conv")(inputs))
    x = keras.layers.Dropout(0.5, seed=1)(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    found = layers_from_output([variable.value for variable in model.variables])
    assert [[variable.name.partition(":")[0] for variable in layer] for layer in found] == [
        ["out/kernel", "out/bias"],
        ["norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"],
        ["conv/kernel", "conv/bias"],
    ]


def test_rank_correlation_by_hand():
    def ranks(values):  # equal ones share the mean of their places
        return (values[:, None] > values).sum(axis=1) + (values[:, None] == values).sum(axis=1) / 2

    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(0, 1, (2, 5, 9, 9)), 0)
    maps[1, 1] = maps[0, 1] ** 3  # of equal ranks
    maps[1, 2] = maps[0, 2].max() - maps[0, 2]
    maps[1, 3] = maps[0, 4] = 0.25  # which points nowhere
    found = rank_correlation(*maps)
    expected = np.corrcoef(ranks(maps[0, 0].ravel()), ranks(maps[1, 0].ravel()))[0, 1]
    np.testing.assert_allclose(found, [expected, 1, -1, 0, np.nan], atol=1e-12)
    assert 0.01 < abs(found[0]) < 0.5
