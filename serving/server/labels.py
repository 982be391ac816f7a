"""Version labels: names for versions, like `stable` and `canary`."""

from collections.abc import Callable, Mapping

import grpc
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.faults import Fault

# By model: version by label.
Labels = Mapping[str, Mapping[str, int]]


def assigned_labels(
    config: ModelServerConfig,
    known: Labels,
    live: Callable[[str], list[int]],
    *,
    allow_unavailable: bool,
) -> Labels:
    """The labels of a configuration, by TensorFlow Serving's rules.

    Args:
        config: the new configuration.
        known: the labels so far.
        live: model -> its versions that are live before the change: a label may point to those.
        allow_unavailable: whether a label that is new, or stays, may point to any version.

    Raises:
        Fault: FAILED_PRECONDITION: a label points to a version that it may not.
    """
    labels = {}
    for model in config.model_config_list.config:
        available = live(model.name)
        before = known.get(model.name, {})
        for label, version in model.version_labels.items():
            stays_or_new = before.get(label, version) == version
            if version not in available and not (allow_unavailable and stays_or_new):
                raise Fault(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {model.name},"
                    " which is not currently available for inference",
                )
        labels[model.name] = dict(model.version_labels)
    return labels
