from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.push_kill import register
from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE


def _model(folder, seed, files=2, size=100, classes=()):
    """As the benchmark makes them, with files that travel along."""
    from benchmarks.push_kill import make_model

    make_model(folder, seed, files, size)
    (folder / ASSETS_EXTRA).mkdir()
    (folder / ASSETS_EXTRA / "keys.txt").write_text(f"key {seed}\n")
    if classes:
        (folder / ASSETS_EXTRA / MODEL_CLASSES_FILE).write_text(Classes(classes).to_json())
    return folder


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Path]:
    return _model


@pytest.fixture(scope="session")
def bucket() -> None:
    """URLs that begin with bucket:// work, also in other processes that register them."""
    register()


@pytest.fixture(params=["folder", "bucket", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path, bucket: None) -> str:
    """Where versions of a model `cats` go: a folder or an object store."""
    return {
        "folder": f"{tmp_path}/serving/cats",
        "bucket": f"bucket://{tmp_path}/bucket/cats",
        "memory": f"memory://{tmp_path.name}/cats",
    }[request.param]
