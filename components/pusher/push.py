"""Puts a SavedModel where servers look, whole or not at all, and only if it is news there.

Versions are UTC times in seconds, or one more than the newest; an existing version is never
written to.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.pusher.history import set_aside
from serving.errors import FailedError
from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores import VersionStore, open_store
from serving.stores.versions import SAVED_MODEL_FILE, model_digest

PUSHED = "pushed"
ALREADY_SERVED = "already served"
SET_ASIDE = "set aside"


class Push(NamedTuple):
    """Where a model's content lies.

    Attributes:
        version: its version.
        path: its folder or URL.
        digest: its content digest.
        status: PUSHED by this call; ALREADY_SERVED: it is the newest version; SET_ASIDE: it is a
            version that was rolled back from.
    """

    version: int
    path: str
    digest: str
    status: str

    @property
    def pushed(self) -> bool:
        """Whether this call put it there."""
        return self.status == PUSHED


def push_model(model: Path, base: str | Path, assets: Mapping[str, bytes] | None = None) -> Push:
    """Makes a SavedModel the newest version under `base`, unless it already is or was set aside.

    Args:
        model: the SavedModel's folder.
        base: folder or URL of the model's versions; made if missing.
        assets: files to lay into the version's `assets.extra/`, by name.

    Raises:
        FailedError: the model is none, or the store cannot take it; nothing of it is left there.
        InputError: no such store.
    """
    if not (model / SAVED_MODEL_FILE).is_file():
        raise FailedError(f"{model}: not a SavedModel: there is no {SAVED_MODEL_FILE}")
    digest = model_digest(model)
    store = open_store(base)
    found: list[Push] = []

    def needed() -> bool:
        found[:] = _find(store, digest)
        return not found

    assets = {**(assets or {}), DIGEST_FILE: f"{digest}\n".encode("ascii")}
    extras = {f"{ASSETS_EXTRA}/{name}": content for name, content in assets.items()}
    version = store.publish(model, extras, needed)
    if version is None:
        return found[0]
    return Push(version, store.path(version), digest, PUSHED)


def _find(store: VersionStore, digest: str) -> list[Push]:
    """The version of this content that makes a push needless, if there is one."""
    newest = store.newest()
    if newest is None:
        return []
    if store.digest(newest) == digest:
        return [Push(newest, store.path(newest), digest, ALREADY_SERVED)]
    aside = set_aside(store, digest)
    return [] if aside is None else [Push(aside, store.path(aside), digest, SET_ASIDE)]
