"""Pushers that are killed at random moments never leave a version that loads wrongly.

Each turn, two processes push a model each into one place and one of them is killed. Then every
version that a server would see must have the content of one of the models, byte by byte.
"""

import multiprocessing
import random
import shutil
import time
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from benchmarks.tools import Result, benchmark
from serving.stores import open_store
from serving.stores.versions import model_digest

FILES, FILE_BYTES = 40, 50_000
SEED = 11
SPAWN = multiprocessing.get_context("spawn")


class Bucket(LocalFileSystem):
    """An object store in a folder, for many processes at once: objects appear whole, or not at all.

    URLs are like `bucket:///somewhere/bucket/models/cats`; what is being uploaded lies in
    `/somewhere/uploads` and cannot be seen.
    """

    protocol = "bucket"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, str):
            path = path.removeprefix("bucket://")
        return super()._strip_protocol(path)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        place = Path(self._strip_protocol(path))
        draft = Path(str(place).partition("/bucket/")[0], "uploads", uuid.uuid4().hex)
        draft.parent.mkdir(exist_ok=True)
        draft.write_bytes(value)
        while True:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                draft.replace(place)
                return
            except FileNotFoundError:  # an object store has no folders that others could remove
                continue

    def put_file(self, lpath: str, rpath: str, callback: Any = None, **kwargs: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())


def register() -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)


class Pusher:
    """A process that pushes what it is told."""

    def __init__(self) -> None:
        self._pipe, there = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_push, args=[there], daemon=True)
        self._process.start()
        assert self._pipe.recv() == "ready"

    def tell(self, model: Path, base: str) -> None:
        self._pipe.send((model, base))

    def answer(self) -> tuple[int, bool, float]:
        """The version, whether it was pushed, and the seconds that took."""
        return self._pipe.recv()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _push(pipe: Connection) -> None:
    from components.pusher.push import PUSHED, push_model

    register()
    pipe.send("ready")
    while True:
        told = pipe.recv()
        start = time.perf_counter()
        push = push_model(*told)
        pipe.send((push.version, push.status == PUSHED, time.perf_counter() - start))


def make_model(folder: Path, seed: int, files: int = FILES, size: int = FILE_BYTES) -> Path:
    """A folder like a SavedModel; a pusher looks at names and bytes alone."""
    rng = random.Random(seed)
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(rng.randbytes(size))
    for index in range(files):
        (folder / "variables" / f"part-{index:03d}").write_bytes(rng.randbytes(size))
    return folder


def kill_pushes(base: str, scratch: Path, kills: int, seed: int = SEED) -> dict[str, Any]:
    """Counts what was seen; raises AssertionError on a version that is not whole."""
    rng = random.Random(seed)
    store = open_store(base)
    survivor = Pusher()
    contents: set[str] = set()
    known: set[int] = set()
    seconds: list[float] = []
    killed_early = 0
    for turn in range(kills):
        models = [make_model(scratch / f"{turn}-{who}", 2 * turn + who) for who in (0, 1)]
        contents.update(model_digest(model) for model in models)
        victim = Pusher()
        victim.tell(models[0], base)
        survivor.tell(models[1], base)
        time.sleep(rng.uniform(0.0, 1.1 * max(seconds[-3:], default=0.1)))
        victim.kill()
        version, pushed, took = survivor.answer()
        seconds.append(took)
        listed = set(store.versions())
        assert pushed and version in listed, "the other push was harmed"
        assert known <= listed, "a version vanished"
        for one in listed - known:
            with store.on_disk(one) as folder:
                assert model_digest(folder) in contents, f"version {one} is not whole"
        killed_early += len(listed - known) == 1
        known = listed
        for model in models:
            shutil.rmtree(model)
    survivor.kill()
    return {"kills": kills, "killed_before_the_end": killed_early, "versions": len(known)}


def measure(folder: Path, kills: int) -> Iterator[Result]:
    register()
    start = time.perf_counter()
    places = {"folder": f"{folder}/serving/cats", "object_store": f"bucket://{folder}/bucket/cats"}
    told = {name: kill_pushes(base, folder / name, kills) for name, base in places.items()}
    seconds = round(time.perf_counter() - start, 1)
    yield {**told, "broken_versions": 0, "seconds": seconds}


if __name__ == "__main__":
    benchmark(measure, kills=100)
