"""Versions in a folder: written beside their place, then renamed into it.

The copy is made under a hidden name, flushed to disk and renamed: a rename is atomic, and servers
pass over folders whose names are not numbers. A pusher holds a lock on its copy, which the system
lifts when it dies; what it leaves is removed by the next one.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from serving.errors import FailedError, os_errors
from serving.stores.base import VersionStore, check_written
from serving.stores.files import check_links, open_own
from serving.stores.versions import file_sizes, folder_names, version_number

STAGING_PREFIX = ".pushing-"
REMOVING_PREFIX = ".removing-"
LOCK_FILE = ".push.lock"
# Locks may not reach across machines: another machine's copy is dead when it is older than this.
LEFTOVER_SECONDS = 24 * 3600.0
_BLOCK_BYTES = 4096


class LocalStore(VersionStore):
    """See `VersionStore`.

    Args:
        base: the folder; made by the first push.
    """

    def __init__(self, base: Path):
        self.base = str(base)
        self._base = base

    def names(self) -> list[str]:
        return folder_names(self._base) if self._base.is_dir() else []

    def has(self, name: str) -> bool:
        return (self._base / name).is_file()

    @contextlib.contextmanager
    def on_disk(self, version: int) -> Iterator[Path]:
        yield self._folder(version)

    def read(self, version: int, name: str) -> bytes | None:
        path = self._folder(version) / name
        return path.read_bytes() if path.is_file() else None

    def discard(self, version: int, name: str) -> None:
        (self._folder(version) / name).unlink(missing_ok=True)

    def fetch(self, version: int, folder: Path) -> None:
        shutil.copytree(self._folder(version), folder)

    def publish(
        self, model: Path, extras: Mapping[str, bytes], needed: Callable[[], bool]
    ) -> int | None:
        check_links(model)
        self._base.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._sweep()
        if not needed():
            return None
        sizes = file_sizes(model) | {name: len(content) for name, content in extras.items()}
        self._check_room(sizes)
        with self._staging() as staging:
            try:
                _fill(staging, model, extras, sizes)
            except OSError as error:
                raise FailedError(
                    f"{self.base}: cannot write the model: {_reason(error)}"
                ) from error
            # Copying took a while: ask again, with no other pusher between this and the rename.
            with self._locked() as last:
                if not needed():
                    return None
                version = self._take_number(last)
                staging.rename(self._folder(version))
                _flush(self._base)
        return version

    def remove(self, version: int) -> None:
        hidden = self._base / f"{REMOVING_PREFIX}{version}-{uuid.uuid4().hex}"
        with contextlib.suppress(FileNotFoundError):  # somebody else did it
            self._folder(version).rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)

    def _folder(self, version: int) -> Path:
        return Path(self.path(version))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Keeps other pushers out; the system lifts the lock of a process that dies.

        Yields:
            A descriptor of the file of the last version: no number is given twice, not even that
            of a version which was removed, because servers remember what became of it.
        """
        with os_errors(str(self._base / LOCK_FILE), expected="a file to write"):
            handle = open_own(self._base / LOCK_FILE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def _take_number(self, last: int) -> int:
        given = version_number(os.pread(last, 32, 0).decode("ascii", "replace").strip()) or 0
        version = max(int(time.time()), 1 + max(self.newest() or 0, given))
        while os.path.lexists(self._folder(version)):  # a stranger: no version, not ours
            version += 1
        os.ftruncate(last, 0)
        os.pwrite(last, f"{version}\n".encode(), 0)
        return version

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Path]:
        """A hidden folder that is locked while this process uses it, and gone afterwards."""
        staging = self._base / f"{STAGING_PREFIX}{socket.gethostname()}-{uuid.uuid4().hex}"
        with self._locked():  # no sweep between making and locking
            staging.mkdir()
            handle = os.open(staging, os.O_RDONLY)
            _try_lock(handle)
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)  # nothing there once it was renamed
            os.close(handle)

    def _sweep(self) -> None:
        """Removes what killed pushers left; the caller holds the lock."""
        for folder in self._base.glob(f"{REMOVING_PREFIX}*"):
            shutil.rmtree(folder, ignore_errors=True)
        ours = f"{STAGING_PREFIX}{socket.gethostname()}-"
        for folder in self._base.glob(f"{STAGING_PREFIX}*"):
            # What follows our name is no "-": "a-b" is another host than "a".
            is_ours = folder.name.startswith(ours) and "-" not in folder.name.removeprefix(ours)
            if _is_dead(folder, is_ours):
                shutil.rmtree(folder, ignore_errors=True)

    def _check_room(self, sizes: Mapping[str, int]) -> None:
        needed = sum(size + _BLOCK_BYTES for size in sizes.values())
        free = shutil.disk_usage(self._base).free
        if needed > free:
            raise FailedError(
                f"{self.base}: not enough room: the model takes {needed / 1e6:.1f} MB,"
                f" {free / 1e6:.1f} MB are free; nothing was pushed"
            )


def _fill(
    staging: Path, model: Path, extras: Mapping[str, bytes], sizes: Mapping[str, int]
) -> None:
    shutil.copytree(model, staging, dirs_exist_ok=True)
    for name, content in extras.items():
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in (staging, *staging.rglob("*")):  # a rename must not outrun its files
        _flush(path)
    check_written(str(staging.parent), sizes, file_sizes(staging))


def _reason(error: OSError) -> str:
    """One line; a failed `copytree` carries one tuple a file, with the reason last."""
    return error.args[0][0][-1] if isinstance(error, shutil.Error) else str(error)


def _try_lock(handle: int) -> bool | None:
    """Whether this process now holds the lock; None where the file system has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # NFS, on a folder
        return None
    return True


def _is_dead(folder: Path, is_ours: bool) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            locked = _try_lock(handle)
            if locked is False:
                return False
            # The times of a change cannot be set, so a copied file does not look old.
            changed = max(path.lstat().st_ctime for path in (folder, *folder.rglob("*")))
        finally:
            os.close(handle)
    except (FileNotFoundError, NotADirectoryError):  # renamed or removed meanwhile; no copy
        return False
    return (is_ours and locked is True) or time.time() - changed > LEFTOVER_SECONDS


def _flush(path: Path) -> None:
    """Forces a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
