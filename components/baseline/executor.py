"""Copies the baseline, or says that there is none."""

from pathlib import Path

from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from components.artifacts import BASELINE_VERSION, NO_BASELINE
from components.declared import Artifacts, CacheKeyDriver, Given, Properties, StepExecutor
from components.releases.labels import STABLE
from components.releases.model_config import ModelConfigFile
from serving.stores import open_store
from serving.stores.versions import model_digest


def baseline_version(
    base: str | Path, candidate_digest: str, model_config_file: str = ""
) -> int | None:
    """The newest version under `base` that is not the candidate itself; None if there is none.

    Where a model config file calls a version `stable`, that one comes first: the newest may be a
    canary. A candidate that is already served is measured against what it replaced: compared with
    itself it could only tie. So running an unchanged pipeline again asks the same question and
    gets its answer from the cache.

    Args:
        base: folder or URL of the model's versions; its last part is the model's name.
        candidate_digest: content digest of the candidate's SavedModel.
        model_config_file: the server's; empty: it has none.

    Raises:
        InputError: the file cannot be read.
    """
    store = open_store(base)
    stable = None
    if model_config_file:
        name = str(base).rstrip("/").rpartition("/")[2]
        entry = ModelConfigFile(Path(model_config_file), name).entry()
        stable = entry.version_labels.get(STABLE) if entry is not None else None
    for version in sorted(store.versions(), key=lambda one: (one == stable, one), reverse=True):
        if store.digest(version) != candidate_digest:
            return version
    return None


def find_baseline(model: Artifact, properties: Properties) -> int | None:
    """`baseline_version`, of a step's input and its execution properties."""
    digest = model_digest(Path(path_utils.serving_model_path(model.uri)))
    file = properties.get("model_config_file", "")
    return baseline_version(properties["model_base_path"], digest, file)


class Driver(CacheKeyDriver):
    """Adds the baseline's content digest, empty where there is none."""

    KEY = "baseline_digest"

    def seen(self, inputs: Artifacts, properties: Properties) -> str:  # noqa: D102
        version = find_baseline(artifact_utils.get_single_instance(inputs["model"]), properties)
        store = open_store(properties["model_base_path"])
        return "" if version is None else store.digest(version)


class Executor(StepExecutor):
    """See `Baseline`."""

    DRIVER = Driver

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """Fills the output Model."""
        base, baseline = properties["model_base_path"], outputs["baseline"]
        version = find_baseline(inputs["model"], properties)
        if version is None:
            told = f"no other version under {base}\n"
            io_utils.write_string_file(f"{baseline.uri}/{NO_BASELINE}", told)
            return
        baseline.set_int_custom_property(BASELINE_VERSION, version)
        open_store(base).fetch(version, Path(path_utils.serving_model_dir(baseline.uri)))
