"""Copies the baseline, or says that there is none."""

from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from components.artifacts import BASELINE_VERSION, NO_BASELINE
from components.baseline.select import baseline_version
from serving.stores import open_store
from serving.stores.versions import model_digest


class Executor(base_executor.BaseExecutor):
    """See `Baseline`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills the output Model."""
        base = exec_properties["model_base_path"]
        candidate = artifact_utils.get_single_uri(input_dict["model"])
        baseline = artifact_utils.get_single_instance(output_dict["baseline"])
        version = baseline_version(
            base,
            model_digest(Path(path_utils.serving_model_path(candidate))),
            exec_properties.get("model_config_file", ""),
        )
        if version is None:
            with fileio.open(f"{baseline.uri}/{NO_BASELINE}", "w") as file:
                file.write(f"no other version under {base}\n")
            return
        baseline.set_int_custom_property(BASELINE_VERSION, version)
        open_store(base).fetch(version, Path(path_utils.serving_model_dir(baseline.uri)))
