"""Models to push, places to push them to, and processes that push them."""

import json
import random
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE

PUSHER = Path(__file__).with_name("pusher.py")


def _model(folder, seed, files=2, size=100, classes=()):
    """A folder like a SavedModel; a pusher looks at names and bytes alone."""
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
    """URLs that begin with bucket:// work; see `pusher.py`."""
    runpy.run_path(str(PUSHER))


class Pusher:
    """A process that pushes what it is told."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        assert self._line() == "ready\n"

    def tell(self, model: Path, base: str) -> None:
        print(json.dumps([str(model), base]), file=self._process.stdin, flush=True)

    def answer(self) -> list:
        """The version, whether it was pushed, and the seconds that took."""
        return json.loads(self._line())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _line(self) -> str:
        return self._process.stdout.readline()


@pytest.fixture
def start_pusher() -> Iterator[Callable[[], Pusher]]:
    with ExitStack() as processes:

        def start() -> Pusher:
            command, pipe = [sys.executable, str(PUSHER)], subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
            processes.enter_context(process)
            processes.callback(process.kill)
            return Pusher(process)

        yield start


@pytest.fixture(params=["folder", "bucket", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path, bucket: None) -> str:
    """Where versions of a model `cats` go: a folder or an object store."""
    return {
        "folder": f"{tmp_path}/serving/cats",
        "bucket": f"bucket://{tmp_path}/bucket/cats",
        "memory": f"memory://{tmp_path.name}/cats",
    }[request.param]
