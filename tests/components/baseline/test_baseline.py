from pathlib import Path
from typing import Any

import fsspec
import pytest
from tfx.types.standard_artifacts import Model

from components.artifacts import NO_BASELINE
from components.baseline import Baseline
from components.baseline.executor import Driver, baseline_version
from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores.versions import model_digest


def _saved_model(folder: Path, content: bytes) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "variables" / "variables.index").write_bytes(content * 2)
    return folder


def _serve(base: Path, version: int, content: bytes) -> Path:
    folder = _saved_model(base / str(version), content)
    (folder / ASSETS_EXTRA).mkdir()
    (folder / ASSETS_EXTRA / DIGEST_FILE).write_text(f"{model_digest(folder)}\n")
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "cats"


@pytest.fixture
def candidate(tmp_path: Path, make_artifact) -> Any:
    """A Model artifact with the content `new`."""
    _saved_model(tmp_path / "candidate" / "Format-Serving", b"new")
    return make_artifact(Model, tmp_path / "candidate")


@pytest.fixture
def digest(candidate) -> str:
    return model_digest(Path(candidate.uri, "Format-Serving"))


def test_newest_of_the_others(base, digest):
    assert baseline_version(base, digest) is None
    _serve(base, 9, b"old")
    _serve(base, 10, b"older")
    assert baseline_version(base, digest) == 10
    _serve(base, 11, b"new")
    assert baseline_version(base, digest) == 10
    # Pushed by other means, without a digest: still not its own baseline.
    _saved_model(base / "12", b"new")
    assert baseline_version(base, digest) == 10
    _serve(base, 13, b"newer")
    assert baseline_version(base, digest) == 13


def test_what_is_stable_comes_first(base, digest, tmp_path):
    for version, content in ((9, b"old"), (10, b"stable"), (11, b"canary")):
        _serve(base, version, content)
    path = tmp_path / "models.config"
    path.write_text(
        'model_config_list { config { name: "cats" base_path: "/cats"'
        ' version_labels { key: "stable" value: 10 } version_labels { key: "canary" value: 11 } }'
        ' config { name: "dogs" version_labels { key: "stable" value: 9 } } }'
    )
    assert baseline_version(base, digest) == 11
    assert baseline_version(base, digest, str(path)) == 10
    assert baseline_version(base, model_digest(base / "10"), str(path)) == 11
    assert baseline_version(base.parent / "dogs", digest, str(path)) is None
    assert baseline_version(base, digest, str(tmp_path / "none.config")) == 11


def test_an_object_store_is_read_too(digest, tmp_path):
    fs = fsspec.filesystem("memory")
    for version, content in ((9, b"old"), (10, b"new")):
        folder = _saved_model(tmp_path / str(version), content)
        fs.put(str(folder), f"/baseline/cats/{version}", recursive=True)
    assert baseline_version("memory://baseline/cats", digest) == 9


@pytest.fixture
def execute(base, candidate, tmp_path, run_step):
    """Runs the step; what it hands on."""
    given = {"model": candidate}
    return lambda: run_step(Baseline, tmp_path, given, model_base_path=str(base))["baseline"]


def test_executor_copies_the_baseline(base, execute):
    old = _serve(base, 1_700_000_000, b"old")
    _serve(base, 1_700_000_001, b"new")
    baseline = execute()
    folder = Path(baseline.uri)
    assert model_digest(folder / "Format-Serving") == model_digest(old)
    assert (folder / "Format-Serving" / ASSETS_EXTRA).is_dir()
    assert baseline.get_int_custom_property("version") == 1_700_000_000
    assert not (folder / NO_BASELINE).exists()


def test_executor_says_that_there_is_none(base, execute):
    _serve(base, 1, b"new")  # the candidate itself
    baseline = execute()
    assert [path.name for path in Path(baseline.uri).iterdir()] == [NO_BASELINE]
    assert not baseline.has_custom_property("version")


def test_driver_follows_what_is_served_but_the_candidate(base, candidate):
    """By what it would put into the cache key now."""

    def look() -> str:
        return Driver(None).seen({"model": [candidate]}, {"model_base_path": str(base)})

    assert look() == ""
    old = _serve(base, 1, b"old")
    assert look() == model_digest(old)
    _serve(base, 2, b"new")  # the candidate is pushed: the same question, the same answer
    assert look() == model_digest(old)
    other = _serve(base, 3, b"other")
    assert look() == model_digest(other) != model_digest(old)
