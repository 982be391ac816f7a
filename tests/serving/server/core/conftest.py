"""A core whose servables do nothing, and the folders and configurations it is given."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.core import Core
from serving.server.options import ServerOptions


class _Fake:
    """A servable that remembers whether it was closed."""

    def __init__(self, name: str, folder: Path, version: int):
        if (folder / "saved_model.pb").read_bytes() == b"broken":
            raise ValueError("broken\nmodel")
        self.name, self.version, self.folder = name, version, folder
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class _Loader:
    """Makes fakes and keeps them; each load may be made to wait."""

    def __init__(self) -> None:
        self.tries: list[tuple[str, int]] = []
        self.made: list[_Fake] = []
        self.before: Callable[[], None] = lambda: None

    def __call__(self, name: str, folder: Path, version: int) -> _Fake:
        self.tries.append((name, version))
        self.before()
        self.made.append(_Fake(name, folder, version))
        return self.made[-1]

    def open(self) -> list[tuple[str, int]]:
        return sorted((one.name, one.version) for one in self.made if not one.closed)


@pytest.fixture
def loader() -> _Loader:
    return _Loader()


@pytest.fixture
def make_core(loader: _Loader) -> Iterator[Callable[..., Core]]:
    with ExitStack() as stack:

        def make(config: ModelServerConfig, on_config=lambda config: None, **flags) -> Core:
            core = Core(loader, ServerOptions(config, **flags), on_config)
            stack.callback(core.close)
            core.reload(config)
            return core

        yield make
    assert loader.open() == []


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


@pytest.fixture
def start(make_core: Callable[..., Core], base: Path) -> Callable[..., Core]:
    """A core of the model `m` with a policy, in whose folder so many versions lie."""

    def started(policy: str, *versions: int, **flags) -> Core:
        _version(base, *versions)
        return make_core(_config(m=(base, policy, {})), **flags)

    return started


def _version(base: Path, *versions: int, content: bytes = b"good") -> None:
    for version in versions:
        (base / str(version)).mkdir(exist_ok=True, parents=True)
        (base / str(version) / "saved_model.pb").write_bytes(content)


def _remove(base: Path, version: int) -> None:
    (base / str(version) / "saved_model.pb").unlink()
    (base / str(version)).rmdir()


def _config(**models: tuple[Path, str, dict[str, int]]) -> ModelServerConfig:
    """name=(base path, policy as in "latest 2", "specific 1 3" or "", labels)."""
    config = ModelServerConfig()
    config.model_config_list.SetInParent()
    for name, (base, policy, labels) in models.items():
        model = config.model_config_list.config.add(
            name=name, base_path=str(base), model_platform="tensorflow"
        )
        kind, *numbers = policy.split() or [""]
        if kind == "latest":
            model.model_version_policy.latest.num_versions = int(numbers[0])
        elif kind == "all":
            model.model_version_policy.all.SetInParent()
        elif kind:
            model.model_version_policy.specific.versions.extend(map(int, numbers))
        model.version_labels.update(labels)
    return config


def _spec(name: str = "m", version: int | None = None, label: str = "") -> ModelSpec:
    number = None if version is None else {"value": version}
    return ModelSpec(name=name, version=number, version_label=label or None)


def _lent(core: Core, **spec) -> int:
    with core.lease(_spec(**spec)) as servable:
        return servable.version


def _states(core: Core, name: str = "m") -> dict[int, str]:
    return {
        one.version: ModelVersionStatus.State.Name(one.state) for one in core.statuses(_spec(name))
    }


@pytest.fixture(scope="session")
def kit(fault_of: Callable) -> SimpleNamespace:
    """What the tests do to a core and its folders, by name."""
    return SimpleNamespace(
        version=_version,
        remove=_remove,
        config=_config,
        spec=_spec,
        lent=_lent,
        states=_states,
        refusal=fault_of,
    )
