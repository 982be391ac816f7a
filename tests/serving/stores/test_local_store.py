"""Versions in a folder: what a push leaves alone, sweeps, and does without room."""

import os
import shutil
import socket
import time
from pathlib import Path

import pytest

from serving.errors import FailedError
from serving.stores import local_store
from serving.stores.local_store import STAGING_PREFIX, LocalStore

HOST = socket.gethostname()


def _model(folder: Path, content: bytes = b"graph") -> Path:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    return folder


def _publish(store: LocalStore, model: Path) -> int:
    version = store.publish(model, {}, lambda: True)
    assert version is not None
    return version


def _hidden(base: Path) -> list[str]:
    return sorted(p.name for p in base.iterdir() if p.name.startswith(".") and p.is_dir())


STRANGERS = {
    "folder": lambda path: (path / "notes").mkdir(parents=True),
    "empty folder": Path.mkdir,
    "file": Path.touch,
    "link": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("make", STRANGERS.values(), ids=STRANGERS)
def test_what_stands_there_or_at_the_next_versions_place_stays(tmp_path, make):
    base = tmp_path / "base"
    future = int(time.time()) + 10**6
    newer = _model(base / str(future), b"newer")
    stranger = base / str(future + 1)
    make(stranger)
    before = stranger.lstat().st_ino
    assert _publish(LocalStore(base), _model(tmp_path / "model")) == future + 2
    assert stranger.lstat().st_ino == before
    assert (newer / "saved_model.pb").read_bytes() == b"newer"


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path, monkeypatch):
    base = tmp_path / "base"
    dead, alive, elsewhere, longer = (
        _model(base / f"{STAGING_PREFIX}{name}")
        for name in (f"{HOST}-1", f"{HOST}-2", "another-3", f"{HOST}-x-4")
    )
    _model(base / ".removing-7-abc")
    handle = os.open(alive, os.O_RDONLY)
    try:
        local_store._try_lock(handle)
        store = LocalStore(base)
        _publish(store, _model(tmp_path / "model"))
        assert _hidden(base) == sorted(folder.name for folder in (alive, elsewhere, longer))
        assert not dead.exists()
        # Copies made by other machines go once nothing has changed in them for long.
        for path in (elsewhere / "saved_model.pb", elsewhere):
            os.utime(path, (0, 0))  # an old model, just copied
        assert store.publish(tmp_path / "model", {}, lambda: False) is None
        assert elsewhere.exists()
        monkeypatch.setattr(local_store, "LEFTOVER_SECONDS", 0.01)
        time.sleep(0.05)
        assert store.publish(tmp_path / "model", {}, lambda: False) is None
        assert _hidden(base) == [alive.name]
    finally:
        os.close(handle)


def test_a_push_under_way_in_this_process_is_not_swept(tmp_path):
    store = LocalStore(tmp_path / "base")
    model = _model(tmp_path / "model")
    inner: list[int | None] = []

    def needed() -> bool:
        # The second call comes while the copy lies there; another push begins then.
        staged = bool(_hidden(tmp_path / "base"))
        if staged and not inner:
            inner.append(None)
            store._sweep()
        return True

    assert _publish(store, model) in store.versions()
    assert store.publish(model, {}, needed) in store.versions()
    assert inner == [None]


def _too_large(path: Path) -> None:
    """A file with a hole: it takes no room here, but its copy may."""
    path.touch()
    os.truncate(path, shutil.disk_usage(path).free + 10**9)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_too_large, "not enough room: the model takes .* MB, .* MB are free"),
        (lambda path: path.symlink_to("nowhere"), "cannot write the model: .*No such file"),
    ],
)
def test_a_failed_copy_leaves_nothing(tmp_path, spoil, told):
    base, model = tmp_path / "base", _model(tmp_path / "model")
    spoil(model / "weights")
    with pytest.raises(FailedError, match=told):
        LocalStore(base).publish(model, {}, lambda: True)
    assert [path.name for path in base.iterdir()] == [".push.lock"]


def test_the_number_of_a_removed_version_is_not_given_again(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.0)
    store = LocalStore(tmp_path / "base")
    model = _model(tmp_path / "model")
    numbers = []
    for _ in range(4):
        numbers.append(_publish(store, model))
        shutil.rmtree(store.path(numbers[-1]))  # by whomever
    assert numbers == [1000, 1001, 1002, 1003]
    store.remove(_publish(store, model))
    assert store.versions() == []
    assert _hidden(tmp_path / "base") == []
    store.remove(1004)  # it is gone: no error


@pytest.mark.parametrize("content", [b"\xff\xfe", b"9" * 5000, b"-1"])
def test_what_is_planted_as_a_leftover_or_in_the_lock_stops_no_push(tmp_path, content):
    base, victim = tmp_path / "base", _model(tmp_path / "victim")
    base.mkdir()
    (base / ".push.lock").write_bytes(content)
    (base / f"{STAGING_PREFIX}{HOST}-link").symlink_to(victim)
    (base / ".removing-1-link").symlink_to(victim)
    os.mkfifo(base / f"{STAGING_PREFIX}{HOST}-pipe")
    assert _publish(LocalStore(base), _model(tmp_path / "model")) <= time.time()
    assert [path.name for path in victim.iterdir()] == ["saved_model.pb"]
