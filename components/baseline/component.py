"""Finds the model now served, so that the evaluator can compare; needs no TFX resolver."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.types import BaseChannel, artifact_utils
from tfx.types.standard_artifacts import Model

from components.baseline.executor import Executor, find_baseline
from components.declared import Artifacts, CacheKeyDriver, DeclaredComponent, Properties
from serving.stores import open_store


class Driver(CacheKeyDriver):
    """Adds the execution property `baseline_digest`, empty where there is no baseline."""

    def seen(self, inputs: Artifacts, properties: Properties) -> dict[str, str]:  # noqa: D102
        version = find_baseline(artifact_utils.get_single_instance(inputs["model"]), properties)
        store = open_store(properties["model_base_path"])
        return {"baseline_digest": "" if version is None else store.digest(version)}


class Baseline(DeclaredComponent, executor=Executor, outputs={"baseline": Model}):
    """Emits a copy of the served version to compare with, or a Model that only says NO_BASELINE.

    Args:
        model: the candidate, which is never its own baseline.
        model_base_path: folder or URL of the model's versions.
        model_config_file: the server's, which may call one of them `stable`; empty: none.
    """

    DRIVER_CLASS = Driver

    model: Annotated[BaseChannel, Model]
    _: KW_ONLY
    model_base_path: str
    model_config_file: str = ""
