"""Versions in an object store, which has no rename: `saved_model.pb` comes last.

A version without `saved_model.pb` is passed over, and an object appears whole or not at all. So
everything else is uploaded first, under a number that the pusher has claimed (see `claims`),
and read back by its sizes. What a killed pusher left, the next one removes.
"""

import contextlib
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

from serving.errors import FailedError, InputError
from serving.stores.base import VersionStore, check_written
from serving.stores.claims import Claim, all_claims, bury, claim_version
from serving.stores.files import check_links
from serving.stores.objects import Objects
from serving.stores.versions import SAVED_MODEL_FILE, file_sizes, version_folders

_ATTEMPTS = 12


class ObjectStore(VersionStore):
    """See `VersionStore`. Several calls of `publish` at once may each push the same content.

    Args:
        filesystem: an fsspec file system.
        root: the prefix above the versions, as this file system spells it.
        base: the same as a URL.
    """

    def __init__(self, filesystem: Any, root: str, base: str):
        self.base = base
        self._objects = Objects(filesystem, root)

    def names(self) -> list[str]:
        return self._objects.names()

    def has(self, name: str) -> bool:
        return self._objects.has(name)

    def read(self, version: int, name: str) -> bytes | None:
        return self._objects.read(f"{self.folder(version)}/{name}")

    def discard(self, version: int, name: str) -> None:
        self._objects.remove(f"{self.folder(version)}/{name}")

    def fetch(self, version: int, folder: Path) -> None:
        place = self.folder(version)
        sizes = self._objects.sizes(place)
        if SAVED_MODEL_FILE not in sizes:
            raise FileNotFoundError(self.path(version))
        for name in sizes:
            _check_key(self.path(version), name)
        for name in sizes:
            self._objects.download(f"{place}/{name}", folder / name)

    def publish(
        self, model: Path, extras: Mapping[str, bytes], needed: Callable[[], bool]
    ) -> int | None:
        check_links(model)
        self._sweep()
        if not needed():
            return None
        claim = self._claim()
        version = claim.version
        with contextlib.ExitStack() as stack:
            stack.callback(self._take_back, claim)
            sizes = file_sizes(model)
            last = {SAVED_MODEL_FILE: sizes.pop(SAVED_MODEL_FILE)}
            for name in sorted(sizes.keys() - extras.keys()):
                claim.keep()
                self._objects.upload(model / name, f"{version}/{name}")
            for name, content in extras.items():
                self._objects.write(f"{version}/{name}", content)
                sizes[name] = len(content)
            claim.keep()
            self._check(version, sizes)
            if not needed():
                return None
            claim.keep()
            self._objects.upload(model / SAVED_MODEL_FILE, f"{version}/{SAVED_MODEL_FILE}")
            self._check(version, sizes | last)
            claim.keep()
            stack.pop_all()
        claim.release()
        return version

    def remove(self, version: int) -> None:
        bury(self._objects, version)
        # First what makes it a version, then the rest.
        self.discard(version, SAVED_MODEL_FILE)
        self._objects.remove_all(self.folder(version))

    def _claim(self) -> Claim:
        for attempt in range(_ATTEMPTS):
            claimed = (claim.version for claim in all_claims(self._objects))
            taken = [*version_folders(self.names()), *claimed]
            version = max(int(time.time()), max(taken, default=0) + 1)
            claim = claim_version(self._objects, version)
            if claim:
                # Its last owner may have finished between the two looks.
                if not self._objects.sizes(str(version)):
                    return claim
                claim.release()
            time.sleep(random.uniform(0.0, 0.05 * 2**attempt))
        raise FailedError(f"{self.base}: too many pushers at once; push again")

    def _check(self, version: int, sizes: Mapping[str, int]) -> None:
        check_written(self.path(version), sizes, self._objects.sizes(str(version)))

    def _take_back(self, claim: Claim) -> None:
        self.remove(claim.version)
        claim.release()

    def _sweep(self) -> None:
        """Removes what killed pushers left."""
        for claim in all_claims(self._objects):
            if not claim.is_dead():
                continue
            claim.take_over()
            if not self.has(f"{claim.version}/{SAVED_MODEL_FILE}"):
                # Another pusher may be sweeping, too: neither must hit a new owner's files.
                bury(self._objects, claim.version)
                self._objects.remove_all(str(claim.version))
            claim.release()


def _check_key(place: str, name: str) -> None:
    """Refuses the name of an object that a file below a folder cannot have as it is.

    With `..`, a slash in front, or nothing between two, it would lie elsewhere; where folders are
    told apart by backslashes, these count as slashes.
    """
    path = PurePath(name)
    if path.anchor or ".." in path.parts or path.as_posix() != name:
        expected = "objects whose names lead below it"
        raise InputError(place, expected=expected, found=repr(name), todo="remove that object")
