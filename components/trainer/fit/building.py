"""The model that a training starts with, and the one that it leaves. `keras` only."""

import contextlib
from collections.abc import Iterator

import keras

from components import models
from components.tasks.parts import Training
from components.trainer.fit.weights import load_weights
from components.trainer.settings import TrainerConfig


def build_model(config: TrainerConfig, part: Training) -> keras.Model:
    """What a training starts with: fresh, or with the weights of a file.

    Returns:
        The task's trainee; it shares all weights of the model that is exported.

    Raises:
        InputError: the architecture cannot be built so, or the weights do not fit it.
    """
    keras.utils.set_random_seed(config.seed)
    model = _build(config, part)
    if config.weights:
        load_weights(model, config.weights, "trainer.weights")
    return part.trainee(model)


def bare_model(config: TrainerConfig, part: Training) -> keras.Model:
    """The whole model for weights to come, computing in float32 whatever it was trained in.

    What is served must not depend on the trainer's hardware; the weights are float32 anyway.
    """
    with dtype_policy("float32"):
        return _build(config.without_weights, part)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Keras's dtype policy for as long as the context lasts."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(config: TrainerConfig, part: Training) -> keras.Model:
    return models.build(config.model, config.image_size, len(part.classes), **config.model_args)
