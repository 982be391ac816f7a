"""Puts the baseline's digest into the cache key: what is served changes behind TFX's back."""

from tfx.types import artifact_utils

from components.baseline.executor import find_baseline
from components.declared import Artifacts, CacheKeyDriver, Properties
from serving.stores import open_store

DIGEST_PROPERTY = "baseline_digest"


class Driver(CacheKeyDriver):
    """Adds the execution property `baseline_digest`, empty where there is no baseline."""

    def seen(self, inputs: Artifacts, properties: Properties) -> dict[str, str]:  # noqa: D102
        version = find_baseline(artifact_utils.get_single_instance(inputs["model"]), properties)
        store = open_store(properties["model_base_path"])
        return {DIGEST_PROPERTY: "" if version is None else store.digest(version)}
