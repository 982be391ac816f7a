"""The layout of a served model: `<base>/<version>/saved_model.pb`, and a version's digest."""

import hashlib
from pathlib import Path

from serving.names import ASSETS_EXTRA

SAVED_MODEL_FILE = "saved_model.pb"
_CHUNK_BYTES = 2**20


def version_number(name: str) -> int | None:
    """The version that a folder's name stands for, or None if it is no version's name."""
    # "007" would be a second folder of version 7: only the canonical spelling counts. A version is
    # an int64 in the protocol.
    if name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < 2**63:
        return int(name)
    return None


def list_versions(base: Path) -> list[int]:
    """The whole versions under a model's base path, ascending.

    Args:
        base: folder of one model; need not exist. Everything in it that is not a folder named by
            digits alone with a `saved_model.pb` inside is passed over: half-written copies,
            temporary names, stray files.
    """
    if not base.is_dir():
        return []
    return sorted(
        version
        for folder in base.iterdir()
        if (version := version_number(folder.name)) is not None
        and (folder / SAVED_MODEL_FILE).is_file()
    )


def file_sizes(folder: Path) -> dict[str, int]:
    """Sizes in bytes of all files below a folder of this machine, by path in it, sorted."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def model_digest(folder: Path) -> str:
    """Content digest of a SavedModel.

    Args:
        folder: the SavedModel's folder. What lies in its `assets.extra/` travels with the model
            but is no part of what it computes (the digest itself is written there), so it does
            not count.

    Returns:
        sha256 over all files' relative paths and contents in the order of the paths, lower-case
        hex.
    """
    digest = hashlib.sha256()
    for name, size in sorted(file_sizes(folder).items()):
        if name.startswith(f"{ASSETS_EXTRA}/"):
            continue
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        digest.update(f"{len(name.encode())}:{name}:{size}:".encode())
        with (folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
