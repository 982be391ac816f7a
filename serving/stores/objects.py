"""The few operations on an object store that versions need, below one prefix."""

import contextlib
from pathlib import Path, PurePosixPath
from typing import Any

from serving.stores.base import join


class Objects:
    """Objects of an fsspec file system, by their path below a prefix.

    Every look goes to the store itself: a listing that fsspec remembers would hide what other
    pushers do.

    Args:
        filesystem: the file system.
        root: the prefix, as this file system spells it.
    """

    def __init__(self, filesystem: Any, root: str):
        self._fs = filesystem
        self._root = root.rstrip("/")

    def read(self, name: str) -> bytes | None:
        """Content of an object; None if there is none."""
        try:
            content: bytes = self._fs.cat_file(self._key(name))
        except FileNotFoundError:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Makes or replaces an object."""
        self._fs.pipe_file(self._key(name), content)

    def upload(self, file: Path, name: str) -> None:
        """Makes or replaces an object by a file of this machine."""
        self._fs.put_file(str(file), self._key(name))

    def download(self, name: str, file: Path) -> None:
        """Writes an object into a file of this machine, with the folders above it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._fs.get_file(self._key(name), str(file))

    def remove(self, name: str) -> None:
        """Removes an object, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._key(name))

    def remove_all(self, folder: str) -> None:
        """Removes what lies below a prefix."""
        self._fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._key(folder), recursive=True)

    def has(self, name: str) -> bool:
        """Whether there is such an object."""
        self._fs.invalidate_cache()
        return bool(self._fs.isfile(self._key(name)))

    def names(self, folder: str = "") -> list[str]:
        """Names directly below a prefix, sorted."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._key(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted({PurePosixPath(one.rstrip("/")).name for one in found})

    def sizes(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of all objects below a prefix, by path in it, sorted."""
        self._fs.invalidate_cache()
        prefix = self._key(folder)
        found = self._fs.find(prefix, detail=True)
        return {
            name.removeprefix(f"{prefix}/"): info["size"]
            for name, info in sorted(found.items())
            if name != prefix and not name.endswith("/")  # an object in place of a folder
        }

    def _key(self, name: str) -> str:
        return join(self._root, name).rstrip("/")
