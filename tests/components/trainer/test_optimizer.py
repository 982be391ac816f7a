"""The learning rate by step, and what the configuration makes of an optimizer."""

import math

import numpy as np
import pytest

from components.trainer.sections import OptimizerConfig


@pytest.fixture(scope="module")
def optimizer():
    from components.trainer.fit import optimizer

    return optimizer


def cosine(steps: int) -> list[float]:
    return [0.2 * (1 + math.cos(math.pi * step / steps)) for step in range(steps + 1)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"schedule": "cosine"}, cosine(50)),
        ({"schedule": "cosine", "warmup_epochs": 2}, [*(0.4 * np.arange(10) / 10), *cosine(40)]),
        ({"warmup_epochs": 1}, [*(0.4 * np.arange(5) / 5), *[0.4] * 45]),
    ],
)
def test_the_rate_climbs_to_its_peak_and_stays_or_falls_to_zero(optimizer, config, expected):
    schedule = optimizer.build_schedule(OptimizerConfig(**config), 0.4, 10, 5)
    found = [float(schedule(step)) for step in range(len(expected))]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_constant_rate_is_a_number(optimizer):
    assert optimizer.build_schedule(OptimizerConfig(), 0.3, 10, 7) == 0.3


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw", "sgd"])
def test_every_optimizer_takes_every_option(optimizer, name):
    import keras

    config = OptimizerConfig(name=name, weight_decay=0.1, clip_norm=1.0, ema=0.9)
    built = optimizer.build_optimizer(config, 0.01, 1, 1)
    assert type(built).__name__.lower() == name
    assert (built.weight_decay, built.global_clipnorm) == (0.1, 1.0)
    assert (built.use_ema, built.ema_momentum) == (True, 0.9)
    variable = keras.Variable(np.ones(3, np.float32))
    built.apply([np.ones(3, np.float32)], [variable])
    assert (keras.ops.convert_to_numpy(variable) < 1.0).all()


def test_without_options_there_are_none(optimizer):
    built = optimizer.build_optimizer(OptimizerConfig(name="adamw"), 0.01, 1, 1)
    assert (built.weight_decay, built.global_clipnorm, built.use_ema) == (0.0, None, False)
