"""What lies under a model's base path, and which of it a version policy wants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)

from serving.stores.versions import SAVED_MODEL_FILE, TFLITE_FILE, folder_names, version_folders

Policy: TypeAlias = FileSystemStoragePathSourceConfig.ServableVersionPolicy
# (path, nanosecond time, size) of each file.
Look = frozenset[tuple[str, int, int]]


@dataclass(frozen=True)
class Scan:
    """One look at a base path; all ascending."""

    whole: Mapping[int, str]  # versions with a model's file, and their folders' names
    partial: tuple[int, ...]  # versions without one: being copied, or empty
    strangers: tuple[str, ...]  # names of folders that are no version's (or a second) nor hidden


def scan(base: Path) -> Scan:
    """Looks at a base path; an OSError if it is not there or cannot be read."""
    names = folder_names(base)
    folders = version_folders(names)
    whole = {
        one: name
        for one, name in folders.items()
        if any((base / name / file).is_file() for file in (SAVED_MODEL_FILE, TFLITE_FILE))
    }
    others = set(names) - set(folders.values())
    return Scan(
        whole,
        tuple(version for version in folders if version not in whole),
        tuple(sorted(name for name in others if not name.startswith("."))),
    )


def passed_over_versions(found: Scan, policy: Policy) -> dict[int, str]:
    """Versions that cannot be served as things are, each with the reason."""
    empty = f"passed over: there is no {SAVED_MODEL_FILE} in its folder"
    absent = "passed over: the version policy names it, but it has no folder"
    named = [version for version in policy.specific.versions if version not in found.whole]
    return dict.fromkeys(named, absent) | dict.fromkeys(found.partial, empty)


def candidates(policy: Policy, whole: Iterable[int]) -> tuple[list[int], int]:
    """The versions that a policy lets be served.

    Args:
        policy: `latest` (the default, with 1), `all` or `specific`.
        whole: the versions that there are.

    Returns:
        The candidates from the newest to the oldest, and how many of them are wanted: the first
        so many that load.
    """
    newest_first = sorted(whole, reverse=True)
    choice = policy.WhichOneof("policy_choice")
    if choice == "specific":
        newest_first = [one for one in newest_first if one in policy.specific.versions]
    if choice in ("specific", "all"):
        return newest_first, len(newest_first)
    return newest_first, max(policy.latest.num_versions, 1)


def look_of(folder: Path) -> Look:
    """Names, times and sizes of the files below a folder: changes while it is copied."""
    found = set()
    for path in folder.rglob("*"):
        try:
            info = path.stat()
        except OSError:  # gone since it was listed
            continue
        found.add((str(path), info.st_mtime_ns, info.st_size))
    return frozenset(found)
