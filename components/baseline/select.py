"""Which served version a candidate has to beat."""

from pathlib import Path

from serving.stores import open_store


def baseline_version(base: str | Path, candidate_digest: str) -> int | None:
    """The newest version under `base` that is not the candidate itself; None if there is none.

    A candidate that is already served is measured against what it replaced: compared with
    itself it could only tie. So running an unchanged pipeline again asks the same question and
    gets its answer from the cache.

    Args:
        base: folder or URL of the model's versions.
        candidate_digest: content digest of the candidate's SavedModel.
    """
    store = open_store(base)
    for version in reversed(store.versions()):
        if store.digest(version) != candidate_digest:
            return version
    return None
