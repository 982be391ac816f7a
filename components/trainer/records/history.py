"""What is known of every epoch."""

import platform
from collections.abc import Mapping
from typing import Any

# {"epoch": 1.., "seconds", "loss", "val_loss", metrics...}, with several stages "stage": 1..; a
# single epoch 0 where nothing was trained
EpochRecord = dict[str, Any]


def epoch_record(epoch: int, seconds: float, values: Mapping[str, Any]) -> EpochRecord:
    """The record of an epoch of what Keras measured, training before validation, losses first."""
    names = sorted(values, key=lambda n: (n.startswith("val_"), not n.endswith("loss"), n))
    measured = {name: float(values[name]) for name in names}
    return {"epoch": epoch, "seconds": round(seconds, 3), **measured}


def told(record: EpochRecord) -> str:
    """What was measured in an epoch, for a line of a log: `loss 0.6931, val_loss 0.6812`."""
    names = [name for name in record if name not in ("epoch", "seconds", "stage")]
    return ", ".join(f"{name} {record[name]:.4f}" for name in names)


def mode(monitor: str) -> str:
    """'min' for losses, 'max' for everything else, as Keras's callbacks spell it."""
    return "min" if monitor.endswith("loss") else "max"


def best_epoch(epochs: list[EpochRecord], monitor: str) -> EpochRecord:
    """The record with the best value of `monitor` in the last stage; the earlier one of equals."""
    sign = 1.0 if mode(monitor) == "min" else -1.0
    last = [record for record in epochs if record.get("stage") == epochs[-1].get("stage")]
    return min(last, key=lambda record: sign * record[monitor])


def joined(trained: list[list[EpochRecord]]) -> list[EpochRecord]:
    """The records of stages that were trained one after another, as those of one training."""
    if len(trained) == 1:
        return trained[0]
    staged = [record | {"stage": n} for n, stage in enumerate(trained, 1) for record in stage]
    return [record | {"epoch": number} for number, record in enumerate(staged, 1)]


def metric_names(epochs: list[EpochRecord]) -> list[str]:
    """Names that an epoch has on both splits, `loss` first, without the `val_` prefix."""
    return [name for name in epochs[0] if f"val_{name}" in epochs[0]]


def made_with(precision: str) -> dict[str, Any]:
    """What a training ran on: versions, devices and precision."""
    import keras
    import numpy as np
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "precision": precision,
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus],
        "machine": platform.machine(),
    }
