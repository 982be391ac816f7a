"""Makes an older version the one that is served, and moves labels; by hand.

Where there is no model config file that is a copy of it under a new number, since servers serve the
highest; the copy tells of which version it is one.
"""

import json
from pathlib import Path

from components.export.answers import NotServable
from components.pusher.live_check import wait_until_loaded
from components.releases import labels
from components.releases.model_config import ModelConfigFile
from serving.errors import FailedError, InputError, nearest
from serving.names import ASSETS_EXTRA, DIGEST_FILE, ROLLBACK_FILE, UNCHECKED_FILE
from serving.stores import VersionStore, join, open_store
from serving.stores.versions import model_digest

LOAD_SECONDS = 120.0

_NOTE = f"{ASSETS_EXTRA}/{ROLLBACK_FILE}"
_OF = "of"


def roll_back(
    name: str,
    version: int | None,
    *,
    serving_root: str,
    model_config_file: Path | None,
    target: str,
) -> str:
    """Serves an older version again.

    Where a model config file lists versions, the older one takes the place of the one that is
    `stable` (or the newest listed), under all its labels, once the server has loaded it. Else
    servers serve the highest number, so the older version's content is pushed again under a new
    one. Nothing is removed either way.

    Args:
        name: of the model, whose folder or URL is below `serving_root`.
        version: None: the one before what is served.
        target: HOST:PORT of the server; not asked where it has no model config file.

    Returns:
        What was done, as a line.

    Raises:
        InputError: no such model or version, or nothing is older.
        FailedError: the version is damaged, cannot be copied, is not loaded by the server, or
            another push came in between; what was served is served.
    """
    store = open_store(join(serving_root, name))
    versions = store.versions()
    if not versions:
        raise _unknown_model(name, serving_root)
    file = ModelConfigFile(model_config_file, name) if model_config_file else None
    entry = file.existing() if file else None
    pinned = labels.listed(entry) if entry is not None else []
    if entry is not None and pinned:
        current = entry.version_labels.get(labels.STABLE) or pinned[-1]
    else:
        current = versions[-1]
    wanted = _wanted(store, name, version, current)
    if wanted == current:
        return f"{name}: version {current} is served already; nothing was changed"
    if file and pinned:
        _load(file, wanted, current, target)
        moved = file.change(lambda entry: labels.replace(entry, current, wanted))
        under = f", label {', '.join(moved)}" if moved else ""
        return (
            f"{name}: version {wanted} takes the place of version {current}{under} in {file.path}"
        )
    if store.digest(wanted) == store.digest(current):
        return (
            f"{name}: version {current}, which is served, has the content of version {wanted};"
            " nothing was changed"
        )
    copy = _push_again(store, wanted, current)
    return (
        f"{name}: version {wanted} is served again, as version {copy};"
        f" version {current} stays there, but its content is not pushed again"
    )


def set_label(
    name: str, label: str, version: str, *, model_config_file: Path, serving_root: str, target: str
) -> str:
    """Moves a label in the model config file, once the server has loaded the version.

    Args:
        name: of the model, which has an entry there.
        version: a number, or another label: the version that has it.
        serving_root: folder or URL above the model's own; empty: the entry tells it.
        target: HOST:PORT of the server.

    Returns:
        What was done, as a line.

    Raises:
        InputError: no such entry, version or label.
        FailedError: the server does not load the version; the file is as before.
    """
    file = ModelConfigFile(model_config_file, name)
    entry = file.existing()
    store = open_store(join(serving_root, name) if serving_root else entry.base_path)
    known = dict(entry.version_labels)
    if version not in known and not version.isdigit():
        raise InputError(
            f"version '{version}'",
            expected=f"a number or a label of {name} ({', '.join(sorted(known)) or 'it has none'})",
            todo=nearest(version, known),
        )
    number = known[version] if version in known else int(version)
    _check_version(store, name, number)
    _load(file, number, store.versions()[-1], target)
    had = file.change(lambda entry: labels.label(entry, label, number))
    before = f", before version {had}" if had not in (None, number) else ""
    return f"{name}: label {label} is on version {number}{before}, in {file.path}"


def _load(file: ModelConfigFile, version: int, served: int, target: str) -> None:
    """Has the server load a version besides what it serves, and waits for it."""
    listed_before = version in labels.listed(file.existing())
    file.change(lambda entry: labels.admit(entry, version, served))
    try:
        wait_until_loaded(target, file.name, version, LOAD_SECONDS)
    except NotServable as error:
        if not listed_before:
            file.change(lambda entry: labels.dismiss(entry, version))
        raise FailedError(f"{file.name}: no label was moved: {error}") from error


def _wanted(store: VersionStore, name: str, version: int | None, current: int) -> int:
    if version is not None:
        _check_version(store, name, version)
        return version
    found = previous(store, current)
    if found is None:
        raise InputError(f"{name}: no version is older than {current}, which is served")
    return found


def _push_again(store: VersionStore, version: int, current: int) -> int:
    with store.on_disk(version) as folder:
        digest = model_digest(folder)
        if digest != store.digest(version):
            raise FailedError(f"{store.path(version)} is damaged: its content is not its digest's")
        extras = rollback_note(version)
        extras[f"{ASSETS_EXTRA}/{DIGEST_FILE}"] = f"{digest}\n".encode("ascii")
        copy = store.publish(folder, extras, lambda: store.newest() == current)
    if copy is None:
        raise FailedError(f"{store.base}: another version came meanwhile; look again")
    store.discard(copy, f"{ASSETS_EXTRA}/{UNCHECKED_FILE}")
    return copy


def _unknown_model(name: str, serving_root: str) -> InputError:
    root = Path(serving_root)
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return InputError(
        f"model '{name}'",
        expected=f"a folder with versions in {serving_root}",
        found=", ".join(names) or "nothing there",
        todo=nearest(name, names) or "--serving-root names another place",
    )


def _check_version(store: VersionStore, name: str, version: int) -> None:
    versions = store.versions()
    if version not in versions:
        found = f"{', '.join(map(str, versions)) or 'none'} in {store.base}"
        raise InputError(f"{name}: version {version}", expected="one that is there", found=found)


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
