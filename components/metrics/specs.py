"""Metrics as TensorFlow Model Analysis is asked for them, by module and name, and their values.

Arrays are packed: it takes differences of the values of two models, which need not have the same
shape; of bytes it takes none.
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from components import extension
from serving.errors import InputError


def metrics_spec(metric: type, **arguments: Any) -> config_pb2.MetricsSpec:
    """TFMA's MetricsSpec of one metric, and arguments of its constructor, as JSON takes them."""
    config = config_pb2.MetricConfig(
        module=metric.__module__, class_name=metric.__name__, config=json.dumps(arguments)
    )
    return config_pb2.MetricsSpec(metrics=[config])


def load_metric(path: str, key: str) -> type:
    """A metric that the setting `key` names by its import path.

    Raises:
        InputError: there is no such class, it is no metric, or TFMA has another of that name and
            would take it instead.
    """
    found = extension.load(path, key=key)
    if not (isinstance(found, type) and issubclass(found, metric_types.Metric)):
        raise InputError(
            key, expected="a subclass of tensorflow_model_analysis.metrics.Metric", found=path
        )
    if metric_types.registered_metrics().get(found.__name__, found) is not found:
        raise InputError(
            key,
            expected="a class with a name of its own",
            found=f"'{found.__name__}', a metric of TensorFlow Model Analysis",
        )
    return found


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as one value."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(value: bytes) -> dict[str, np.ndarray]:
    """What `pack` was given."""
    with np.load(io.BytesIO(value)) as read:
        return dict(read)
