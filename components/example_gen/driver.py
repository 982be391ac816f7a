"""Decides whether the input changed since it was last ingested.

TFX's own fingerprint is the number of files, their bytes and whole-second times: a picture moved
from Dog to Cat leaves it as it was.
"""

import hashlib
import os
from pathlib import Path

from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME as FINGERPRINT

from components.datasets.folders import walk
from components.declared import Artifacts, CacheKeyDriver, Properties


class Driver(CacheKeyDriver):
    """Adds `fingerprint_folder` of the data folder."""

    KEY = FINGERPRINT

    def seen(self, inputs: Artifacts, properties: Properties) -> str:  # noqa: D102
        root = Path(properties["input_base"])
        return fingerprint_folder(root, content=bool(properties["rehash"]))


def fingerprint_folder(root: Path, *, content: bool = False) -> str:
    """SHA-256 over all files below `root`, hidden ones left out.

    Args:
        root: the data folder.
        content: hash every file's bytes instead of its size and nanosecond modification time.
            Slower; finds changes that kept both. A file that cannot be read counts by its name.
    """
    digest = hashlib.sha256(b"content" if content else b"stat")
    for relative, entry in sorted(walk(root), key=lambda found: found[0]):
        digest.update(relative.encode(errors="surrogateescape") + b"\0")
        if content:
            digest.update(_content_digest(root / relative))
        else:
            # A dangling link is an input too: ingest will say that it cannot be read.
            status = entry.stat(follow_symlinks=os.path.exists(entry.path))  # noqa: PTH110
            digest.update(f"{status.st_size} {status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _content_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:  # a dangling link, no permission: ingest will count and tell it
        return b"unreadable\0"
