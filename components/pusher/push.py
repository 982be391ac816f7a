"""Puts a SavedModel where servers look, whole or not at all, and only if it is news there.

Versions are UTC times in seconds, or one more than the newest; an existing version is never
written to.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from components.pusher.rollback import set_aside
from serving.classes import Classes
from serving.errors import FailedError
from serving.names import ASSETS_EXTRA, DIGEST_FILE, MODEL_CLASSES_FILE
from serving.stores import VersionStore, open_store
from serving.stores.versions import SAVED_MODEL_FILE, model_digest

PUSHED = "pushed"
ALREADY_SERVED = "already served"
SET_ASIDE = "set aside"
CLASSES_CHANGED = "classes changed"
_CLASSES = f"{ASSETS_EXTRA}/{MODEL_CLASSES_FILE}"
_TOLD = 5  # classes, of those that differ


class Push(NamedTuple):
    """Where a model's content lies.

    Attributes:
        version: its version.
        path: its folder or URL.
        digest: its content digest.
        status: PUSHED by this call; ALREADY_SERVED: it is the newest version; SET_ASIDE: it is a
            version that was rolled back from; CLASSES_CHANGED: the newest version, which is told,
            has other classes than the model.
        reason: how the classes differ; else empty.
    """

    version: int
    path: str
    digest: str
    status: str
    reason: str = ""


def push_model(
    model: Path,
    base: str | Path,
    assets: Mapping[str, bytes] | None = None,
    *,
    allow_class_change: bool = False,
) -> Push:
    """Makes a SavedModel the newest version under `base`, unless it already is or was set aside.

    Nor is it pushed where the newest version tells apart other classes, or the same in another
    order: clients would take one class for another. Versions that do not tell their classes are no
    hindrance.

    Args:
        model: the SavedModel's folder.
        base: folder or URL of the model's versions; made if missing.
        assets: files to lay into the version's `assets.extra/`, by name.
        allow_class_change: whether other classes are pushed all the same.

    Raises:
        FailedError: the model is none, or the store cannot take it; nothing of it is left there.
        InputError: no such store, or links in the model lead out of its folder.
    """
    if not (model / SAVED_MODEL_FILE).is_file():
        raise FailedError(f"{model}: not a SavedModel: there is no {SAVED_MODEL_FILE}")
    digest = model_digest(model)
    store = open_store(base)
    told = model / _CLASSES
    checked = told.is_file() and not allow_class_change
    classes = Classes.from_json(told.read_bytes(), str(told)) if checked else None
    found: list[Push] = []

    def needed() -> bool:
        found[:] = _find(store, digest, classes)
        return not found

    assets = {**(assets or {}), DIGEST_FILE: f"{digest}\n".encode("ascii")}
    extras = {f"{ASSETS_EXTRA}/{name}": content for name, content in assets.items()}
    version = store.publish(model, extras, needed)
    if version is None:
        return found[0]
    return Push(version, store.path(version), digest, PUSHED)


def _find(store: VersionStore, digest: str, classes: Classes | None) -> list[Push]:
    """The version because of which the model is not pushed, if there is one."""
    newest = store.newest()
    if newest is None:
        return []
    served = store.digest(newest)
    if served == digest:
        return [Push(newest, store.path(newest), digest, ALREADY_SERVED)]
    aside = set_aside(store, digest)
    if aside is not None:
        return [Push(aside, store.path(aside), digest, SET_ASIDE)]
    told = store.read(newest, _CLASSES)
    if classes is None or told is None:
        return []
    known = Classes.from_json(told, f"{store.path(newest)}/{_CLASSES}")
    if known.names == classes.names:
        return []
    reason = f"other classes than served version {newest} has: {_difference(known, classes)}"
    return [Push(newest, store.path(newest), served, CLASSES_CHANGED, reason)]


def _difference(served: Classes, new: Classes) -> str:
    parts = [
        f"{len(names)} {word} ({', '.join(names[:_TOLD])}{', ...' if len(names) > _TOLD else ''})"
        for word, names in (
            ("new", [name for name in new.names if name not in served.names]),
            ("gone", [name for name in served.names if name not in new.names]),
        )
        if names
    ]
    if parts:
        return ", ".join(parts)
    pairs = zip(new.names, served.names, strict=True)
    first = next(place for place, (ours, theirs) in enumerate(pairs) if ours != theirs)
    ours, theirs = (", ".join(one.names[first : first + _TOLD]) for one in (new, served))
    return f"the same in another order, {ours} in place of {theirs}"
