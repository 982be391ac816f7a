"""Claims on version numbers, so that two pushers never write to one version.

A pusher writes a claim of its own below `.push/`, then lists all claims: if it sees another's for
the same number it steps back. Of two pushers, the one that lists later sees both claims, so at
most one goes on. That needs a store where whoever lists after a write sees it, as S3, Google
Cloud Storage, Azure Blob and disks do, and no conditional writes.

A claim is renewed while its pusher works. One that was not renewed for LEASE_SECONDS is a dead
pusher's; a pusher that finds its own claim taken away gives up.
"""

import json
import os
import socket
import time
import uuid

from serving.errors import FailedError
from serving.stores.objects import Objects
from serving.stores.versions import version_number

CLAIM_FOLDER = ".push"
LEASE_SECONDS = 3600.0
_RENEW_SECONDS = 60.0
_SWEPT = b"swept"
_BURIED = "buried"


class Claim:
    """One pusher's hold on a version number.

    Attributes:
        name: of the claim's object.
        version: the number.
    """

    def __init__(self, objects: Objects, name: str, version: int):
        self.name, self.version = name, version
        self._objects = objects
        self._content = b""
        self._renewed = 0.0

    def write(self) -> None:
        """Makes or renews the claim in the name of this process."""
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
        content = json.dumps(owner).encode()
        self._objects.write(self.name, content)
        self._content, self._renewed = content, time.monotonic()

    def keep(self) -> None:
        """Renews the claim when it is time to.

        Raises:
            FailedError: somebody took it for a dead pusher's.
        """
        if self._objects.read(self.name) != self._content:
            raise FailedError(
                f"version {self.version}: another pusher swept it: this one was stopped for long,"
                " or clocks differ; push again"
            )
        if time.monotonic() - self._renewed > _RENEW_SECONDS:
            self.write()

    def is_dead(self) -> bool:
        """Whether its pusher was killed, or was not heard of for LEASE_SECONDS."""
        content = self._objects.read(self.name)
        if content is None:
            return False  # done meanwhile
        if content == _SWEPT:
            return True
        try:
            owner = json.loads(content)
            host, pid, renewed = str(owner["host"]), int(owner["pid"]), float(owner["time"])
        except (ValueError, KeyError, TypeError):
            return False  # not written by a pusher
        if time.time() - renewed > LEASE_SECONDS:
            return True
        return host == socket.gethostname() and not _is_alive(pid)

    def take_over(self) -> None:
        """Tells its pusher, if it lives after all, to give up."""
        self._objects.write(self.name, _SWEPT)

    def release(self) -> None:
        """Removes the claim."""
        self._objects.remove(self.name)


def claim_version(objects: Objects, version: int) -> Claim | None:
    """Claims a version number, or returns None where another pusher does so too."""
    claim = Claim(objects, f"{CLAIM_FOLDER}/{version}.{uuid.uuid4().hex}", version)
    claim.write()
    if [one.name for one in all_claims(objects) if one.version == version] != [claim.name]:
        claim.release()
        return None
    return claim


def bury(objects: Objects, version: int) -> None:
    """Has the number of a removed version never given again: servers remember what became of it.

    A claim that no pusher renews or sweeps; only the highest is needed, and kept.
    """
    objects.write(f"{CLAIM_FOLDER}/{version}.{_BURIED}", b"")
    for claim in all_claims(objects):
        if claim.version < version and claim.name.endswith(f".{_BURIED}"):
            claim.release()


def all_claims(objects: Objects) -> list[Claim]:
    """All claims that there are, in the order of their names."""
    found = []
    for name in objects.names(CLAIM_FOLDER):
        number, _, token = name.partition(".")
        version = version_number(number)
        if version is not None and token:
            found.append(Claim(objects, f"{CLAIM_FOLDER}/{name}", version))
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's process
    return True
