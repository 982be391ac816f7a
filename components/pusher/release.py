"""A push from the copy to the last check: publish, try on the live server, label, tidy up."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from components.export.answers import NotServable
from components.pusher.live_check import NoServer, Superseded, live_versions
from components.pusher.push import ALREADY_SERVED, CLASSES_CHANGED, PUSHED, SET_ASIDE, push_model
from components.pusher.settings import PusherConfig
from components.releases.labels import admit, dismiss, in_use, label
from components.releases.model_config import ModelConfigFile
from serving.errors import InputError
from serving.names import ASSETS_EXTRA, DIGEST_FILE, UNCHECKED_FILE
from serving.results import ServingError
from serving.stores import VersionStore, open_store

ROLLED_BACK = "rolled back"
_UNCHECKED = f"{ASSETS_EXTRA}/{UNCHECKED_FILE}"


class Release:
    """Pushes models to one place.

    Args:
        base: folder or URL of the model's versions.
        config: of the pusher.
        check: raises NotServable or Superseded about a version; None: nothing is asked.
    """

    def __init__(self, base: str, config: PusherConfig, check: Callable[[int], None] | None):
        self._store: VersionStore = open_store(base)
        self._config = config
        self._check = check
        path = config.model_config_file
        self._file = ModelConfigFile(Path(path), config.model_name) if path else None

    def run(self, model: Path, assets: Mapping[str, bytes]) -> dict[str, Any]:
        """Pushes a model.

        A version that was pushed but, because the pusher was killed, never tried and labelled is
        tried and labelled now. `assets` are files for its `assets.extra/`, by name.

        Returns:
            What `push.json` holds besides the name (components/artifacts.py).

        Raises:
            InputError: the store or the model config file is not what it should be.
            FailedError: the store cannot take the model.
        """
        if self._file:
            self._file.entry()  # a mistake in it is told before anything is pushed
        if self._check or self._file:
            assets = {**assets, UNCHECKED_FILE: b"not yet tried and labelled\n"}
        allowed = self._config.allow_class_change
        push = push_model(model, self._store.base, assets, allow_class_change=allowed)
        if push.status == CLASSES_CHANGED:
            return {
                "status": push.status,
                "reason": f"{push.reason}; pusher.allow_class_change pushes it",
                "served": {"version": push.version, "path": push.path},
            }
        told = push._asdict()
        del told["reason"]  # of another status
        finished = self._store.read(push.version, _UNCHECKED) is None
        if push.status == SET_ASIDE or (push.status == ALREADY_SERVED and finished):
            return told
        return told | {"status": PUSHED} | self._finish(push.version)

    def _finish(self, version: int) -> dict[str, Any]:
        served = max((one for one in self._store.versions() if one < version), default=None)
        if self._file:
            self._file.change(lambda entry: admit(entry, version, served), self._store.base)
        if self._check:
            try:
                self._check(version)
            except Superseded as superseded:
                self._store.discard(version, _UNCHECKED)
                return {"removed": [], "reason": f"version {version} was not tried: {superseded}"}
            except NotServable as error:
                if served is None and isinstance(error, NoServer):
                    # A first version: its server cannot have been started before.
                    reason = f"version {version} was not tried, the next run tries it: {error}"
                    return {"removed": [], "reason": reason}
                return self._take_back(version, str(error))
        if self._file:
            self._file.change(lambda entry: self._label(entry, version))
        self._store.discard(version, _UNCHECKED)
        return {"removed": self._retain({version, served})}

    def _label(self, entry: Any, version: int) -> None:
        # Of two pushers at once the later version keeps the label, whoever is done last.
        if entry.version_labels.get(self._config.label, 0) <= version:
            label(entry, self._config.label, version)

    def _take_back(self, version: int, why: str) -> dict[str, Any]:
        if self._file:
            self._file.change(lambda entry: dismiss(entry, version))
        self._store.remove(version)
        newest = self._store.newest()
        rest = "no version is left" if newest is None else f"version {newest} is the newest again"
        reason = f"version {version} was rolled back: {why}; {rest}"
        told: dict[str, Any] = {"status": ROLLED_BACK, "reason": reason, "served": None}
        if newest is not None:
            told["served"] = {"version": newest, "path": self._store.path(newest)}
        return told

    def _retain(self, needed: set[int | None]) -> list[int]:
        """Removes old versions that nobody needs; returns them."""
        keep = self._config.keep_versions
        old = self._store.versions()[:-keep] if keep else []
        if not old:
            return []
        live = self._config.live_check
        entry = self._file.entry() if self._file else None
        if entry is not None:
            needed = needed | in_use(entry)
        if live:
            try:
                needed = needed | live_versions(live.target, self._config.model_name)
            except (InputError, ServingError) as error:
                logging.warning("no version is removed: what is served is not known: %s", error)
                return []
        # What others put there has no digest of ours, and stays.
        removed = [
            version
            for version in old
            if version not in needed
            and self._store.read(version, f"{ASSETS_EXTRA}/{DIGEST_FILE}") is not None
        ]
        for version in removed:
            self._store.remove(version)
        return removed
