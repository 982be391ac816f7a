"""Models to push, and places to push them to."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE

ROOT = Path(__file__).parents[3]

# The benchmarks' object store is used here too; they are not installed.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def _model(
    folder: Path, seed: int, files: int = 2, size: int = 100, classes: tuple[str, ...] = ()
) -> Path:
    """A folder like a SavedModel; the pusher looks at names and bytes alone."""
    rng = random.Random(seed)
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(rng.randbytes(size))
    for index in range(files):
        (folder / "variables" / f"part-{index:03d}").write_bytes(rng.randbytes(size))
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
    from benchmarks.bucket import register

    register()


@pytest.fixture(params=["folder", "bucket", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path, bucket: None) -> str:
    """Where versions of a model `cats` go: a folder or an object store."""
    return {
        "folder": f"{tmp_path}/serving/cats",
        "bucket": f"bucket://{tmp_path}/bucket/cats",
        "memory": f"memory://{tmp_path.name}/cats",
    }[request.param]
