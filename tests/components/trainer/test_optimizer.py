"""The learning rate by step, and what the configuration makes of an optimizer."""

import math

import numpy as np
import pytest

from components.trainer.sections import OptimizerConfig


@pytest.fixture(scope="module")
def optimizer():
    from components.trainer.fit import optimizer

    return optimizer


def rates(schedule, steps: int) -> np.ndarray:
    return np.array([float(schedule(step)) for step in range(steps)])


def test_a_constant_rate_is_a_number(optimizer):
    assert optimizer.build_schedule(OptimizerConfig(), 0.3, 10, 7) == 0.3


def test_warm_up_climbs_to_the_peak_and_the_cosine_ends_at_zero(optimizer):
    config = OptimizerConfig(schedule="cosine", warmup_epochs=2)
    found = rates(optimizer.build_schedule(config, 0.4, 10, 5), 51)
    warm = 0.4 * np.arange(10) / 10
    cosine = [0.2 * (1 + math.cos(math.pi * step / 40)) for step in range(41)]
    np.testing.assert_allclose(found, [*warm, *cosine], atol=1e-6)


def test_warm_up_alone_stays_at_the_peak(optimizer):
    config = OptimizerConfig(warmup_epochs=1)
    found = rates(optimizer.build_schedule(config, 0.4, 4, 5), 20)
    np.testing.assert_allclose(found, [*(0.4 * np.arange(5) / 5), *[0.4] * 15], atol=1e-6)


def test_a_cosine_without_warm_up_starts_at_the_peak(optimizer):
    found = rates(optimizer.build_schedule(OptimizerConfig(schedule="cosine"), 0.4, 2, 5), 11)
    assert found[0] == pytest.approx(0.4)
    assert found[5] == pytest.approx(0.2)
    assert found[10] == pytest.approx(0.0, abs=1e-7)


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
