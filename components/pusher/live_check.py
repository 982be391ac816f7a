"""Does the live server serve the pushed version, and answer as the model does by itself?"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

from components.export.answers import NotServable, ask, compare
from components.pusher.settings import LiveCheckConfig
from components.tasks.parts import Export
from serving.client import ImageClient
from serving.errors import InputError
from serving.results import ServingError

_POLL_SECONDS = 0.2
_REQUEST_SECONDS = 5.0
AVAILABLE, LOADING, END = "AVAILABLE", "LOADING", "END"


class NoServer(NotServable):
    """Nobody answers at all."""


class Superseded(Exception):
    """A newer version, which is told, is served already, so this one cannot be tried."""

    def __init__(self, version: int):
        super().__init__(f"version {version} was served before it could be tried")


def check_live(
    config: LiveCheckConfig,
    name: str,
    version: int,
    *,
    model: Path,
    examples_folder: str,
    export: Export,
) -> None:
    """Waits until the server has the version, then compares its answers with the model's own.

    Raises:
        NotServable: it is not served in time, or not as it should be; NoServer: there is none.
        Superseded: the server has a newer version.
    """
    from components.datasets.examples import read_records  # TensorFlow; a rollback needs none

    deadline = time.monotonic() + config.deadline_seconds
    examples = list(itertools.islice(read_records(examples_folder), config.images))
    if not examples:
        raise NotServable("no Example to try the version with")
    with _client(config.target, name) as client:
        _wait(client, version, deadline, config.deadline_seconds, _state)
        left = max(deadline - time.monotonic(), 1.0)
        with ImageClient(config.target, name, timeout_seconds=left, version=version) as pinned:
            try:
                calls = ask(pinned, export, examples, deadline)
            except NotServable:
                _state(client, version)  # replaced meanwhile?
                raise
    compare(model, calls)


def wait_until_loaded(target: str, name: str, version: int, seconds: float) -> None:
    """Waits until a server can answer with a version, whatever else it serves.

    Raises:
        NotServable: it does not load, or not in time; NoServer: there is no server.
    """
    with _client(target, name) as client:
        _wait(client, version, time.monotonic() + seconds, seconds, _loaded)


def live_versions(target: str, name: str) -> set[int]:
    """The versions that a server can answer with.

    Raises:
        InputError: no server answers.
        ServingError: it refuses.
    """
    with _client(target, name) as client:
        return {one.version for one in client.status() if one.state != END}


def _client(target: str, name: str) -> ImageClient:
    return ImageClient(target, name, timeout_seconds=_REQUEST_SECONDS, attempts=1)


def _wait(
    client: ImageClient,
    version: int,
    deadline: float,
    seconds: float,
    look: Callable[[ImageClient, int], str],
) -> None:
    while True:
        kind: type[NotServable] = NotServable
        try:
            found = look(client, version)
            if found == AVAILABLE:
                return
        except ServingError as error:
            found = str(error)
        except InputError:
            found, kind = "no server answers", NoServer
        if time.monotonic() > deadline:
            raise kind(
                f"version {version} is not {AVAILABLE} at {client.target}"
                f" after {seconds:g} s: {found}"
            )
        time.sleep(_POLL_SECONDS)


def _loaded(client: ImageClient, version: int) -> str:
    for one in client.status():
        if one.version == version:
            if one.state == END and one.error:
                raise NotServable(
                    f"version {version} does not load at {client.target}: {one.error}"
                )
            return one.state
    return "the server does not know it"


def _state(client: ImageClient, version: int) -> str:
    """As `_loaded`, of a version that was never loaded before."""
    found = _loaded(client, version)
    if found not in (AVAILABLE, LOADING):
        live = [one.version for one in client.status() if one.state == AVAILABLE]
        if live and max(live) > version:
            raise Superseded(max(live))
    return found
