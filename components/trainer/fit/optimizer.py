"""The optimizer and its learning-rate schedule, from the configuration. Uses `keras` only."""

from typing import Any

import keras

from components.trainer.sections import OptimizerConfig


def build_optimizer(
    config: OptimizerConfig, learning_rate: float, epochs: float, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Builds a fresh optimizer for a training; see `build_schedule`."""
    rate = build_schedule(config, learning_rate, epochs, steps_per_epoch)
    kind, own = {
        "rmsprop": (keras.optimizers.RMSprop, {"momentum": config.momentum}),
        "sgd": (keras.optimizers.SGD, {"momentum": config.momentum}),
        "adam": (keras.optimizers.Adam, {}),
        # It insists on a number, and its own default is not "none".
        "adamw": (keras.optimizers.AdamW, {"weight_decay": config.weight_decay}),
    }[config.name]
    common: dict[str, Any] = {
        "learning_rate": rate,
        "weight_decay": config.weight_decay or None,
        "global_clipnorm": config.clip_norm or None,
        "use_ema": config.ema > 0.0,
        "ema_momentum": config.ema,
    }
    return kind(**common | own)


def build_schedule(
    config: OptimizerConfig, learning_rate: float, epochs: float, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate by step: linear warm-up from zero to the peak, then constant or a cosine.

    The cosine reaches zero with the last step (Loshchilov and Hutter, "SGDR", 2016, without
    restarts).

    Args:
        config: `schedule` and `warmup_epochs`.
        learning_rate: the peak.
        epochs: of the phase.
        steps_per_epoch: batches of an epoch.

    Returns:
        A plain number if it never changes.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if config.schedule == "constant" and not warmup:
        return learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else learning_rate,
        decay_steps=max(1, round(epochs * steps_per_epoch) - warmup),
        alpha=1.0 if config.schedule == "constant" else 0.0,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
