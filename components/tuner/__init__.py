"""The tuning step: the stock TFX Tuner runs `components.tuner.run.tuner_fn`."""
