"""All models of a server: who gets which version, and how that changes while requests run."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.logging_config_pb2 import LoggingConfig
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.errors import InputError
from serving.server.config_files import Labels, assigned_labels, check_config
from serving.server.faults import Fault, invalid, not_found
from serving.server.options import DEFAULTS, ServerOptions
from serving.server.servable import Servable
from serving.server.served_model import Load, Loaded, ServedModel, Update

logger = logging.getLogger(__name__)


class Core:
    """Serves the versions that each model's policy wants.

    New versions are loaded beside the old ones; then requests go to them, and the old ones are
    unloaded, each when its last request is done. A version that does not load is told in its
    status and passed over. A request never waits for a load.

    Args:
        load: makes a servable.
        options: how often a version that does not load is tried again, and whether a new label
            may point to a version that is not live.
        on_config: told each configuration just before it is taken; an InputError of its refuses
            it.
    """

    def __init__(
        self,
        load: Load,
        options: ServerOptions = DEFAULTS,
        on_config: Callable[[ModelServerConfig], None] = lambda config: None,
    ):
        self._load, self._options, self._on_config = load, options, on_config
        self._models: dict[str, ServedModel] = {}
        self._known: dict[str, ServedModel] = {}  # once configured: their states are still told
        self._labels: Labels = {}
        self._lock = threading.RLock()  # what requests read
        self._update = threading.Lock()  # one change at a time
        self._leases = 0

    def models(self) -> list[str]:
        """Names of the models that are configured, sorted."""
        with self._lock:
            return sorted(self._models)

    def versions(self, name: str) -> list[int]:
        """The live versions of a model, ascending; empty for an unknown one."""
        with self._lock:
            return sorted(self._models[name].versions) if name in self._models else []

    def logging(self, name: str) -> LoggingConfig | None:
        """What a model's configuration says of logging; None for an unknown one."""
        with self._lock:
            return self._known[name].config.logging_config if name in self._known else None

    @contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[Servable]:
        """Holds a live version for one request.

        Args:
            spec: name, and a version, a label or neither: the newest.

        Raises:
            Fault: it is not served (NOT_FOUND), or no such label (INVALID_ARGUMENT).
        """
        with self._lock:
            loaded = self._find(spec)
            loaded.users += 1
            self._leases += 1
        try:
            yield loaded.servable
        finally:
            with self._lock:
                loaded.users -= 1
                self._leases -= 1
                done = loaded.retired and loaded.users == 0
            if done:
                self._unload(spec.name, loaded)

    def _find(self, spec: ModelSpec) -> Loaded:
        version = self._version(spec)
        model = self._models.get(spec.name)
        live = model.versions if model else {}
        wanted = max(live, default=None) if version is None else version
        if wanted in live:
            return live[wanted]
        told = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
        raise not_found(f"Servable not found for request: {told}")

    def _version(self, spec: ModelSpec) -> int | None:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        if spec.HasField("version"):
            return spec.version.value
        if spec.HasField("version_label"):
            labels = self._labels.get(spec.name, {})
            if spec.version_label not in labels:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
            return labels[spec.version_label]
        return None

    def statuses(self, spec: ModelSpec) -> list[ModelVersionStatus]:
        """The state of each version seen so far, the newest first, or of the one asked for."""
        with self._lock:
            version = self._version(spec)
            model = self._known.get(spec.name)
            known = dict(model.statuses) if model else {}
        if version is None and known:
            return [known[number] for number in sorted(known, reverse=True)]
        if version in known:
            return [known[version]]
        what = "any versions" if version is None else f"version {version}"
        raise not_found(f"Could not find {what} of model {spec.name}")

    def reload(self, config: ModelServerConfig) -> None:
        """Serves another configuration, all of it or nothing of it.

        Args:
            config: the whole new one: models that are not in it are unloaded.

        Raises:
            Fault: it is wrong, a model of it has no version that loads, or a label points to a
                version that is not live. Everything is as before.
        """
        if config.WhichOneof("config") is None:
            logger.info("an empty configuration changes nothing")
            return
        check_config(config)
        with self._update:
            allowed = self._options.allow_version_labels_for_unavailable_models
            labels = assigned_labels(config, self._labels, self.versions, allow_unavailable=allowed)
            updates: dict[ServedModel, Update] = {}
            try:
                for one in config.model_config_list.config:
                    fresh = ServedModel(one, self._load, self._options, self._lock)
                    model = self._known.setdefault(one.name, fresh)
                    updates[model] = _prepared(model, one)
                self._on_config(config)
            except BaseException as error:
                for model, update in updates.items():
                    model.drop(update)
                if isinstance(error, InputError):
                    raise invalid(str(error)) from error
                raise
            self._commit(updates, labels)

    def refresh(self) -> None:
        """Looks at every base path once and switches where other versions are to be served."""
        with self._update:
            for model in list(self._models.values()):
                try:
                    update = model.prepare(model.config)
                except OSError as error:
                    logger.warning("%s cannot be read: %s", model.config.base_path, error)
                    continue
                self._commit({model: update}, None)

    def busy(self) -> int:
        """Requests that run now."""
        with self._lock:
            return self._leases

    def close(self) -> None:
        """Unloads; what requests still run on goes with the last of them."""
        with self._update:
            self._commit({}, {})

    def _commit(self, updates: dict[ServedModel, Update], labels: Labels | None) -> None:
        """Makes updates visible at once; labels of None: only these models change."""
        retired: list[tuple[str, Loaded]] = []
        with self._lock:
            for model, update in updates.items():
                retired += [(model.config.name, loaded) for loaded in model.commit(update)]
            if labels is not None:
                new = {model.config.name: model for model in updates}
                for name, model in self._models.items():
                    if name not in new:
                        gone = model.commit(Update(model.config))
                        retired += [(name, loaded) for loaded in gone]
                self._models, self._labels = new, labels
            idle = [(name, loaded) for name, loaded in retired if loaded.users == 0]
        for model, update in updates.items():
            for version in sorted(update.fresh):
                logger.info("%s version %d is served", model.config.name, version)
        for name, loaded in idle:
            self._unload(name, loaded)

    def _unload(self, name: str, loaded: Loaded) -> None:
        """Closes a retired version that nobody uses."""
        version = loaded.servable.version
        loaded.servable.close()
        with self._lock:
            # The same number may be live again by now.
            model = self._known[name]
            if version not in model.versions:
                model.set_status(version, ModelVersionStatus.END)
        logger.info("%s version %d is unloaded", name, version)


def _prepared(model: ServedModel, config: ModelConfig) -> Update:
    """An update of which something serves; else a Fault."""
    try:
        update = model.prepare(config, anew=True)
    except OSError as error:
        raise invalid(f"{config.base_path} cannot be read: {error}") from error
    if not update.wanted:
        model.drop(update)
        why = f"model {config.name} did not become available: {model.why()}"
        raise Fault(grpc.StatusCode.UNKNOWN, why)
    return update
