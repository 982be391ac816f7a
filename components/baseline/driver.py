"""Puts the baseline's digest into the cache key: what is served changes behind TFX's back."""

from tfx.dsl.components.base import base_driver
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact_utils

from components.baseline.executor import find_baseline
from serving.stores import open_store

DIGEST_PROPERTY = "baseline_digest"


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds the execution property `baseline_digest`, empty where there is no baseline."""

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Called by the launcher before it looks into the cache."""
        properties = dict(execution_info.exec_properties)
        store = open_store(str(properties["model_base_path"]))
        model = artifact_utils.get_single_instance(execution_info.input_dict["model"])
        version = find_baseline(model, properties)
        properties[DIGEST_PROPERTY] = "" if version is None else store.digest(version)
        output = driver_output_pb2.DriverOutput()
        for key, value in properties.items():
            output.exec_properties[key].string_value = str(value)
        return output
