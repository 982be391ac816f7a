"""One model: its versions in memory, their states, and the failures not to repeat."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.status_pb2 import StatusProto
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from serving.server.faults import Fault
from serving.server.options import ServerOptions
from serving.server.scan import Look, Scan, candidates, look_of, passed_over_versions, scan
from serving.server.servable import Servable

logger = logging.getLogger(__name__)

# tensorflow.error.Code, which are gRPC's.
_OK, _UNKNOWN, _NOT_FOUND, _LAST_CODE = 0, 2, 5, 16


State: TypeAlias = "ModelVersionStatus.State.ValueType"
# (model name, version's folder, version) -> a servable that answers, warmed up.
Load = Callable[[str, Path, int], Servable]


@dataclass
class Loaded:
    """A version in memory."""

    servable: Servable
    users: int = 0  # requests that run on it now
    retired: bool = False  # takes no new ones; its last user closes it


@dataclass
class _Failure:
    stamp: Look
    tries: int
    again: float  # time.monotonic
    changed: Look | None = None  # what it looked like at the last look, if otherwise


@dataclass
class Update:
    """What one look at the disk wants to change; nothing is visible to requests yet.

    Attributes:
        config: the configuration it was made for.
        fresh: newly loaded versions.
        wanted: versions that are to be live: those of `fresh` and loaded ones that stay.
    """

    config: ModelConfig
    fresh: dict[int, Loaded] = field(default_factory=dict)
    wanted: set[int] = field(default_factory=set)


class ServedModel:
    """State of one model.

    One thread at a time changes it, and holds `lock` when it commits; requests read under `lock`.

    Attributes:
        config: name, base path, version policy.
        versions: what is live, by number.
        statuses: the state of each version seen.
    """

    def __init__(
        self,
        config: ModelConfig,
        load: Load,
        options: ServerOptions,
        lock: AbstractContextManager[Any],
    ):
        self.config = config
        self.versions: dict[int, Loaded] = {}
        self.statuses: dict[int, ModelVersionStatus] = {}
        self._lock = lock
        self._load = load
        self._options = options
        self._failed: dict[Path, _Failure] = {}  # by the version's folder
        self._strangers: tuple[str, ...] = ()

    def prepare(self, config: ModelConfig, *, anew: bool = False) -> Update:
        """Loads what the policy wants and is not loaded; an OSError if nothing can be read.

        With `anew`, what did not load before is tried at once.
        """
        base = Path(config.base_path)
        if anew:
            self._failed.clear()
        found = scan(base)
        self._tell(found, config)
        chosen, count = candidates(config.model_version_policy, found.whole)
        # Another base path is another model: its version 3 is not the one that is loaded.
        live = self.versions if base == Path(self.config.base_path) else {}
        update = Update(config)
        try:
            for version in chosen:
                if len(update.wanted) == count:
                    break
                if version not in live:
                    fresh = self._try(base / found.whole[version], version)
                    if fresh is None:
                        continue
                    update.fresh[version] = fresh
                update.wanted.add(version)
        except BaseException:
            self.drop(update)
            raise
        if chosen and not update.wanted:
            update.wanted = set(live)  # none of the chosen loads: rather these than nothing
        return update

    def commit(self, update: Update) -> list[Loaded]:
        """Makes an update visible; what is no longer live comes back, to be unloaded when idle."""
        retired = []
        for version, loaded in list(self.versions.items()):
            if version not in update.wanted or version in update.fresh:
                loaded.retired = True
                retired.append(self.versions.pop(version))
                self.set_status(version, ModelVersionStatus.UNLOADING)
        for version, loaded in update.fresh.items():
            self.versions[version] = loaded
            self.set_status(version, ModelVersionStatus.AVAILABLE)
        self.config = update.config
        return retired

    def drop(self, update: Update) -> None:
        """Closes what was loaded for an update that is not to be."""
        for version, loaded in update.fresh.items():
            loaded.servable.close()
            self.set_status(version, ModelVersionStatus.END)

    def why(self) -> str:
        """What keeps the model from being served, the newest version first."""
        told = [(one.version, one.status.error_message) for one in self.statuses.values()]
        reasons = [f"version {version}: {why}" for version, why in sorted(told)[::-1] if why]
        return "; ".join(reasons) or f"no version that its policy wants in {self.config.base_path}"

    def set_status(self, version: int, state: State, code: int = _OK, message: str = "") -> None:
        """Replaces the state of a version."""
        status = StatusProto(error_code=code, error_message=message)  # type: ignore[arg-type]
        told = ModelVersionStatus(version=version, state=state, status=status)
        with self._lock:
            self.statuses[version] = told

    def _try(self, folder: Path, version: int) -> Loaded | None:
        stamp = look_of(folder)
        failure = self._failed.get(folder)
        if failure and not self._due(failure, stamp):
            return None
        if not failure or failure.stamp != stamp:
            failure = _Failure(stamp, 0, 0.0)
        self.set_status(version, ModelVersionStatus.LOADING)
        try:
            servable = self._load(self.config.name, folder, version)
        except Exception as error:  # noqa: BLE001 - whatever a broken model makes TensorFlow raise
            failure.tries += 1
            failure.again = time.monotonic() + self._options.load_retry_interval_micros / 1e6
            self._failed[folder] = failure
            message = " ".join(str(error).split()) or type(error).__name__
            self.set_status(version, ModelVersionStatus.END, _code(error), message)
            logger.error("%s version %d does not load: %s", self.config.name, version, message)
            return None
        self._failed.pop(folder, None)
        return Loaded(servable)

    def _due(self, failure: _Failure, stamp: Look) -> bool:
        """Whether a version that did not load is to be tried again."""
        if stamp == failure.stamp:
            most = self._options.max_num_load_retries
            return failure.tries <= most and time.monotonic() >= failure.again
        # It is being copied: each try would be in vain until nothing more changes.
        settled = stamp == failure.changed
        failure.changed = stamp
        return settled

    def _tell(self, found: Scan, config: ModelConfig) -> None:
        """Gives what is passed over a status; no number, no status: that is logged."""
        passed_over = passed_over_versions(found, config.model_version_policy)
        here = {*found.whole, *passed_over, *self.versions}
        with self._lock:
            for version in [one for one in self.statuses if one not in here]:
                if self.statuses[version].status.error_code:  # what went wrong is gone
                    del self.statuses[version]
        self._failed = {one: why for one, why in self._failed.items() if one.is_dir()}
        for version, reason in passed_over.items():
            if version not in self.versions:
                self.set_status(version, ModelVersionStatus.END, _NOT_FOUND, reason)
        if found.strangers != self._strangers:
            self._strangers = found.strangers
            if found.strangers:
                names = ", ".join(found.strangers)
                logger.warning("%s: passed over, no version's folders: %s", config.base_path, names)


def _code(error: Exception) -> int:
    """TensorFlow's errors and a warm-up's fault carry their code; anything else is unknown."""
    if isinstance(error, Fault):
        return error.code.value[0]
    number = getattr(error, "error_code", None)
    return number if isinstance(number, int) and 0 < number <= _LAST_CODE else _UNKNOWN
