from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp_backend import GENERATIONS, Backend, arguments


@pytest.fixture
def make_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Backend]:
    def make(**settings: Any) -> Backend:
        prefix = tmp_path / "container"
        monkeypatch.setenv("PAWLENS_ARTIFACT_PREFIX", str(prefix))
        return Backend(prefix, **settings)

    return make


@pytest.fixture
def backend(make_backend: Callable[..., Backend]) -> Backend:
    return make_backend()


@pytest.fixture(params=GENERATIONS)
def each_backend(make_backend: Callable[..., Backend], request: pytest.FixtureRequest) -> Backend:
    """One of each generation; a file whose tests are quick takes it for its `backend`."""
    return make_backend(generation=request.param)


@pytest.fixture
def as_command() -> Callable[..., list[str]]:
    """The command line of an executor, a request and a declaration; see `arguments`."""
    return arguments


@pytest.fixture
def validate(backend: Backend) -> Callable[..., list[str]]:
    """The command of the step data_validation, on one split with these anomalies."""

    def make(*anomalies: str, at: Backend = backend) -> list[str]:
        from tensorflow_metadata.proto.v0 import anomalies_pb2
        from tfx.types.standard_artifacts import ExampleAnomalies

        from components.artifacts import Validation

        message = anomalies_pb2.Anomalies()
        for name in anomalies:
            message.anomaly_info[name].short_description = "is missing"
        folder = at.path("example-validator", "anomalies") / "Split-train"
        folder.mkdir(parents=True)
        (folder / "SchemaDiff.pb").write_bytes(message.SerializeToString())
        found = at.input("example-validator", "anomalies", span=0.0, split_names='["train"]')
        return at.command(
            "components.data_validation.executor.Executor",
            "data-validation",
            inputs={"anomalies": (ExampleAnomalies, found)},
            outputs={"validation": Validation},
        )

    return make
