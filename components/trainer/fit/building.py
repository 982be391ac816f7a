"""The model that a training starts with, and the one that it leaves. `keras` only."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from components import models
from components.trainer.fit.weights import load_weights
from components.trainer.settings import TrainerConfig


def build_model(config: TrainerConfig) -> keras.Model:
    """The model as a training starts with it: fresh, or with the weights of a file.

    Raises:
        InputError: the architecture cannot be built so, or the weights do not fit it.
    """
    keras.utils.set_random_seed(config.seed)
    model = models.build(config.model, config.side, **config.model_args)
    if config.weights:
        load_weights(model, config.weights, "trainer.weights")
    return model


def continued_model(config: TrainerConfig) -> keras.Model:
    """The model as a later stage starts with it, for the weights of the one before."""
    keras.utils.set_random_seed(config.seed)
    return models.build(config.model, config.side, **_without_weights(config))


def bare_model(config: TrainerConfig) -> keras.Model:
    """The model for weights to come, computing in float32 whatever it was trained in.

    What is served must not depend on the trainer's hardware; the weights are float32 anyway.
    """
    with dtype_policy("float32"):
        return models.build(config.model, config.side, **_without_weights(config))


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Keras's dtype policy for as long as the context lasts."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _without_weights(config: TrainerConfig) -> dict[str, Any]:
    """Arguments of a model whose backbone gets its weights with all others."""
    return {name: "" if name == "weights" else arg for name, arg in config.model_args.items()}
