"""The layout of a served model: `<base>/<version>/saved_model.pb`, and a version's digest."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from serving.names import ASSETS_EXTRA

SAVED_MODEL_FILE = "saved_model.pb"
TFLITE_FILE = "model.tflite"  # TensorFlow Serving's name for it; only servers look at it
PATTERN_CHARACTERS = "*?[\\"  # what some libraries read as more than a name in a path
_CHUNK_BYTES = 2**20


def version_number(name: str) -> int | None:
    """The version that a folder's name stands for, or None if it is no version's name.

    As in TensorFlow Serving, zeros may stand in front: `00000123` is version 123.
    """
    # A version is an int64 in the protocol.
    if name.isascii() and name.isdigit() and int(name) < 2**63:
        return int(name)
    return None


def version_folders(names: Iterable[str]) -> dict[int, str]:
    """Names of folders by version, ascending; whether there is a model in them or not.

    Of `1` and `001` beside each other the last in the order of the names counts, as in TensorFlow
    Serving's file_system_storage_path_source.cc: `1`.
    """
    numbers = {name: version_number(name) for name in sorted(names)}
    found = {number: name for name, number in numbers.items() if number is not None}
    return dict(sorted(found.items()))


def folder_names(base: Path) -> list[str]:
    """Names of the folders in a model's base path; an OSError if it cannot be read."""
    return [path.name for path in base.iterdir() if path.is_dir()]


@contextlib.contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """The folder under a name that TensorFlow, which loads by file patterns, takes as it is."""
    with contextlib.ExitStack() as stack:
        if any(one in str(folder) for one in PATTERN_CHARACTERS):
            link = Path(stack.enter_context(tempfile.TemporaryDirectory()), "model")
            link.symlink_to(folder.absolute())
            folder = link
        yield folder


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
