"""Which version came before which, roll-backs counted in.

A roll-back without a model config file copies an older version under a new number (servers serve
the highest); the copy tells of which version it is one.
"""

import json

from serving.errors import InputError
from serving.names import ASSETS_EXTRA, ROLLBACK_FILE
from serving.stores import VersionStore

_NOTE = f"{ASSETS_EXTRA}/{ROLLBACK_FILE}"
_OF = "of"


def rollback_note(version: int) -> dict[str, bytes]:
    """The file that marks a copy of a version, by its path in the copy."""
    return {_NOTE: json.dumps({_OF: version}).encode()}


def origin(store: VersionStore, version: int) -> int:
    """The version that a version is a copy of, at the root; itself if it is no copy.

    Raises:
        InputError: a note names no version older than its own, so it would lead around.
    """
    while (note := store.read(version, _NOTE)) is not None:
        try:
            of = int(json.loads(note)[_OF])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            of = version
        if of >= version:
            raise InputError(
                f"{store.path(version)}/{_NOTE}",
                expected=f'{{"{_OF}": VERSION}} with a version older than {version}',
                found=repr(note[:80]),
                todo="it was not written by a roll-back: remove it",
            )
        version = of
    return version


def previous(store: VersionStore, version: int) -> int | None:
    """The version to go back to from a version; None if nothing is older.

    It is the one that was served before, with other content; versions that an earlier roll-back
    set aside are not gone back to.
    """
    digest = store.digest(version)
    versions = store.versions()
    while True:
        older = [one for one in versions if one < origin(store, version)]
        if not older:
            return None
        version = older[-1]
        if store.digest(version) != digest:
            return version


def set_aside(store: VersionStore, digest: str) -> int | None:
    """A version of this content that the newest version, a copy by roll-back, set aside."""
    newest = store.newest()
    if newest is None:
        return None
    between = range(origin(store, newest) + 1, newest)
    found = (one for one in store.versions() if one in between and store.digest(one) == digest)
    return next(found, None)
