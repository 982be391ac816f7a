"""Metrics as TensorFlow Model Analysis is asked for them: by module and name."""

import json
from typing import Any

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
