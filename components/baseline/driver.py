"""Tells which model is served now."""

from tfx.types import artifact_utils

from components.baseline.executor import find_baseline
from components.declared import Artifacts, CacheKeyDriver, Properties
from serving.stores import open_store


class Driver(CacheKeyDriver):
    """Adds the baseline's content digest, empty where there is none."""

    KEY = "baseline_digest"

    def seen(self, inputs: Artifacts, properties: Properties) -> str:  # noqa: D102
        version = find_baseline(artifact_utils.get_single_instance(inputs["model"]), properties)
        store = open_store(properties["model_base_path"])
        return "" if version is None else store.digest(version)
