"""Versions in an object store: pushers that die at any step, meet, or are taken for dead."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from serving.errors import FailedError, InputError
from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores import claims, open_store
from serving.stores.claims import CLAIM_FOLDER, claim_version
from serving.stores.object_store import ObjectStore
from serving.stores.objects import Objects
from serving.stores.versions import model_digest, version_folders

ROOT = "/bucket/cats"
BASE = "memory://bucket/cats"


class Died(BaseException):
    """The process is gone: nothing of it runs any more."""


class Mortal(MemoryFileSystem):
    """Runs `before` ahead of each change of the store."""

    cachable = False
    before: Callable[[str, str], None]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self.before("write", path)
        super().pipe_file(path, value, mode, **kwargs)

    def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        self.before("upload", rpath)
        super().pipe_file(rpath, Path(lpath).read_bytes())

    def rm_file(self, path: str) -> None:
        self.before("remove", path)
        super().rm_file(path)

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        self.before("remove all", path)
        super().rm(path, recursive, maxdepth)


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield
    MemoryFileSystem.store.clear()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "a").write_bytes(b"weights")
    (folder / "variables" / "b").write_bytes(b"more")
    return folder


def _store(before: Callable[[str, str], None] = lambda operation, path: None) -> ObjectStore:
    filesystem = Mortal()
    filesystem.before = before
    return ObjectStore(filesystem, ROOT, BASE)


def _publish(store: ObjectStore, model: Path) -> int | None:
    extras = {f"{ASSETS_EXTRA}/{DIGEST_FILE}": f"{model_digest(model)}\n".encode()}
    return store.publish(model, extras, lambda: True)


def _assert_whole(store: ObjectStore, model: Path) -> None:
    for version in store.versions():
        with store.on_disk(version) as folder:
            assert model_digest(folder) == model_digest(model) == store.digest(version)


def _claims() -> list[str]:
    return Objects(MemoryFileSystem(), ROOT).names(CLAIM_FOLDER)


def test_the_graph_is_uploaded_last(model):
    changes: list[str] = []
    store = _store(lambda operation, path: changes.append(path.removeprefix(ROOT)))
    version = _publish(store, model)
    uploaded = [path for path in changes if path.startswith(f"/{version}/")]
    assert uploaded[-1] == f"/{version}/saved_model.pb"
    others = [f"{ASSETS_EXTRA}/{DIGEST_FILE}", "variables/a", "variables/b"]
    assert sorted(uploaded[:-1]) == [f"/{version}/{name}" for name in others]


def test_death_at_any_step(model, monkeypatch):
    steps = 0
    while True:
        MemoryFileSystem.store.clear()
        earlier = _publish(_store(), model)
        left = steps

        def before(operation: str, path: str) -> None:
            nonlocal left
            if left <= 0:
                raise Died
            left -= 1

        store = _store(before)
        try:
            _publish(store, model)
        except Died:
            pass
        else:
            break
        # What is listed is whole, and the next pusher, once the claim is old, tidies up.
        survivor = _store()
        assert earlier in survivor.versions()
        _assert_whole(survivor, model)
        finished = len(survivor.versions())
        with monkeypatch.context() as patch:
            patch.setattr(claims, "LEASE_SECONDS", -1.0)
            assert survivor.publish(model, {}, lambda: False) is None
        assert [name for name in _claims() if not name.endswith(".buried")] == []
        assert len(survivor.versions()) == finished
        assert [*version_folders(survivor.names())] == survivor.versions()
        steps += 1
    assert steps == 6  # claim, two weights, digest, graph, release of the claim


def test_a_claim_of_the_living_is_not_swept(model):
    objects = Objects(MemoryFileSystem(), ROOT)
    claim = claim_version(objects, 7)
    objects.write("7/variables/a", b"under way")
    assert _publish(_store(), model) != 7
    assert objects.read("7/variables/a") == b"under way"
    claim.keep()


def test_a_claim_of_a_dead_process_here_is_swept_at_once(model):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    objects = Objects(MemoryFileSystem(), ROOT)
    here = os.uname().nodename
    for version, host, pid in ((7, here, dead.pid), (8, "elsewhere", dead.pid)):
        claim_version(objects, version)
        (name,) = (name for name in _claims() if name.startswith(f"{version}."))
        content = objects.read(f"{CLAIM_FOLDER}/{name}").decode()
        content = content.replace(str(os.getpid()), str(pid)).replace(here, host)
        objects.write(f"{CLAIM_FOLDER}/{name}", content.encode())
        objects.write(f"{version}/variables/a", b"half")
    _publish(_store(), model)
    assert objects.names("7") == []
    assert objects.names("8") == ["variables"]


def test_who_was_swept_gives_up(model, monkeypatch):
    def before(operation: str, path: str) -> None:
        if path.endswith("/variables/b"):
            monkeypatch.setattr(claims, "LEASE_SECONDS", -1.0)
            assert _store().publish(model, {}, lambda: False) is None

    store = _store(before)
    with pytest.raises(FailedError, match="another pusher swept it"):
        _publish(store, model)
    assert store.versions() == []
    assert [name.rpartition(".")[2] for name in _claims()] == ["buried"]


def test_two_sweepers_do_not_hit_the_next_owner(model, monkeypatch):
    """One sweeps and pushes between the other's look at a claim and its sweep."""
    monkeypatch.setattr("time.time", lambda: 1000.0)  # so that a free number is taken again
    objects = Objects(MemoryFileSystem(), ROOT)
    claim_version(objects, 1000)
    objects.write("1000/variables/a", b"half")
    monkeypatch.setattr(claims, "LEASE_SECONDS", -1.0)
    pushed: list[int | None] = []

    def before(operation: str, path: str) -> None:
        if not pushed:
            pushed.append(None)
            pushed[0] = _publish(_store(), model)

    assert _store(before).publish(model, {}, lambda: False) is None
    assert pushed == _store().versions() != [1000]
    _assert_whole(_store(), model)


@pytest.mark.parametrize("finishes", [False, True])
def test_a_number_that_another_takes_meanwhile_is_left_to_it(model, finishes):
    """The other claims the number that this one has just found free, and may even finish first."""
    others: list[int | None] = []

    def before(operation: str, path: str) -> None:
        if operation == "write" and f"/{CLAIM_FOLDER}/" in path and not others:
            others.append(int(path.rpartition("/")[2].partition(".")[0]))
            if finishes:
                others[0] = _publish(_store(), model)
            else:
                assert claim_version(Objects(MemoryFileSystem(), ROOT), others[0])

    version = _publish(_store(before), model)
    assert others
    assert version not in others
    assert _store().versions() == sorted([*(others if finishes else []), version])
    _assert_whole(_store(), model)


def test_what_arrives_wrongly_is_no_version(model):
    class Lossy(Mortal):
        def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
            self.pipe_file(rpath, Path(lpath).read_bytes()[:3])

    filesystem = Lossy()
    filesystem.before = lambda operation, path: None
    store = ObjectStore(filesystem, ROOT, BASE)
    with pytest.raises(FailedError, match="variables/a is not what was written there"):
        _publish(store, model)
    assert store.versions() == []
    assert [name.rpartition(".")[2] for name in _claims()] == ["buried"]
    assert [*version_folders(store.names())] == []


def test_a_removed_version_is_passed_over_from_the_first_step(model):
    removed: list[str] = []
    store = _store(lambda operation, path: removed.append(path))
    version = _publish(store, model)
    removed.clear()
    store.remove(version)
    first = [f"{CLAIM_FOLDER}/{version}.buried", f"{version}/saved_model.pb"]
    assert removed[:2] == [f"{ROOT}/{name}" for name in first]
    assert [*version_folders(store.names())] == []
    store.remove(version)


def test_the_number_of_a_removed_version_is_not_given_again(model, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.0)
    store = _store()
    numbers = []
    for _ in range(4):
        numbers.append(_publish(store, model))
        store.remove(numbers[-1])
    assert numbers == [1000, 1001, 1002, 1003]
    assert _claims() == ["1003.buried"]  # one is enough


def test_which_store_a_place_is(tmp_path):
    assert open_store(f"file://{tmp_path}/cats").path(7) == f"{tmp_path}/cats/7"
    assert open_store("memory://bucket/cats/").path(7) == "memory://bucket/cats/7"
    with pytest.raises(InputError, match="nosuch://x/y"):
        open_store("nosuch://x/y")


NAMES = ["..", "../out", "a/../../out", "/out", "//out", "a//b", "./a", "a/.", "a/./b"]


@pytest.mark.parametrize("name", NAMES)
def test_an_object_whose_name_leads_out_is_not_downloaded(model, tmp_path, name):
    version = _publish(_store(), model)
    objects, place = MemoryFileSystem.store, f"{ROOT}/{version}"
    objects[f"{place}/{name}"] = objects[f"{place}/saved_model.pb"]
    with pytest.raises(InputError, match=re.escape(f"names lead below it, found {name!r}")):
        _store().fetch(version, tmp_path / "in" / "copy")
    assert not (tmp_path / "in").exists()  # nor was any other
