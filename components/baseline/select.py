"""Which served version a candidate has to beat."""

from pathlib import Path

from components.releases.labels import STABLE
from components.releases.model_config import ModelConfigFile
from serving.stores import open_store


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
    stable = _stable(str(base), model_config_file)
    for version in sorted(store.versions(), key=lambda one: (one == stable, one), reverse=True):
        if store.digest(version) != candidate_digest:
            return version
    return None


def _stable(base: str, model_config_file: str) -> int | None:
    if not model_config_file:
        return None
    entry = ModelConfigFile(Path(model_config_file), base.rstrip("/").rpartition("/")[2]).entry()
    return entry.version_labels.get(STABLE) if entry is not None else None
