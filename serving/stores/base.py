"""Where the versions of one model lie: a folder on a disk, or a prefix in an object store."""

import contextlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from serving.errors import FailedError
from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores.versions import SAVED_MODEL_FILE, model_digest, version_folders


class VersionStore(ABC):
    """The versions of one model.

    Attributes:
        base: folder or URL above them, as text.
    """

    base: str

    def path(self, version: int) -> str:
        """Folder or URL of a version."""
        return join(self.base, self.folder(version))

    def folder(self, version: int) -> str:
        """The name of a version's folder: the plain number, unless somebody put zeros in front."""
        return version_folders(self.names()).get(version, str(version))

    def newest(self) -> int | None:
        """The highest whole version, or None if there is none."""
        return max(self.versions(), default=None)

    def digest(self, version: int) -> str:
        """Content digest of a version: the one that travels with it, or the computed one.

        Raises:
            FileNotFoundError: there is no such version.
        """
        told = self.read(version, f"{ASSETS_EXTRA}/{DIGEST_FILE}")
        if told is not None:
            return told.decode("ascii").strip()
        with self.on_disk(version) as folder:
            return model_digest(folder)

    @contextlib.contextmanager
    def on_disk(self, version: int) -> Iterator[Path]:
        """A folder of this machine with a version, to be read only.

        Raises:
            FileNotFoundError: there is no such version.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, str(version))
            self.fetch(version, copy)
            yield copy

    def versions(self) -> list[int]:
        """The whole versions, ascending: those with a `saved_model.pb`."""
        folders = version_folders(self.names()).items()
        return [one for one, name in folders if self.has(f"{name}/{SAVED_MODEL_FILE}")]

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all folders beside each other, versions or not."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is a file, by its path below the base."""

    @abstractmethod
    def read(self, version: int, name: str) -> bytes | None:
        """Content of a version's file by its path in the version; None if it is not there."""

    @abstractmethod
    def discard(self, version: int, name: str) -> None:
        """Removes a file of a version, if it is there."""

    @abstractmethod
    def fetch(self, version: int, folder: Path) -> None:
        """Copies a version into a folder of this machine that does not exist yet.

        Raises:
            FileNotFoundError: there is no such version.
            InputError: a file of it would not lie in the folder.
        """

    @abstractmethod
    def publish(
        self, model: Path, extras: Mapping[str, bytes], needed: Callable[[], bool]
    ) -> int | None:
        """Puts a SavedModel there as the newest version, whole or not at all.

        Args:
            model: the SavedModel's folder.
            extras: more files of the version, by path; they win over the model's own.
            needed: asked before the work and again just before the version appears.

        Returns:
            The version, which no other call ever returns; None where it was not needed.

        Raises:
            InputError: links in it lead out of its folder.
            FailedError: the store cannot take it; nothing of it is left.
        """

    @abstractmethod
    def remove(self, version: int) -> None:
        """Removes a version; from the first moment on it is passed over."""


def join(root: str | Path, name: str) -> str:
    """A path or URL below another; `pathlib` would take a slash out of a URL."""
    return f"{str(root).rstrip('/')}/{name}"


def check_written(where: str, expected: Mapping[str, int], found: Mapping[str, int]) -> None:
    """Compares sizes of files, by path.

    Raises:
        FailedError: with `where`; one is missing, extra, or of another size.
    """
    names = expected.keys() | found.keys()
    wrong = sorted(name for name in names if expected.get(name) != found.get(name))
    if wrong:
        raise FailedError(f"{where}: {wrong[0]} is not what was written there")
