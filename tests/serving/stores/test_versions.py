"""The layout `<base>/<version>/saved_model.pb` and the digests."""

import hashlib
from pathlib import Path

import pytest

from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores import open_store
from serving.stores.versions import list_versions, model_digest


def _version(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_only_whole_versions_count(tmp_path: Path) -> None:
    for name in ("2", "10", "9", "tmp-11", "12.tmp", "-3", "007", "\u0663"):
        _version(tmp_path, name)
    (tmp_path / "99").mkdir()  # no saved_model.pb yet
    (tmp_path / "98").write_text("a file")
    assert list_versions(tmp_path) == [2, 9, 10]
    assert list_versions(tmp_path / "absent") == []


@pytest.mark.parametrize("change", ["content", "name", "added"])
def test_digest_follows_the_content(tmp_path: Path, change: str) -> None:
    folder = _version(tmp_path, "1")
    (folder / "variables").mkdir()
    (folder / "variables" / "a").write_bytes(b"weights")
    before = model_digest(folder)
    if change == "content":
        (folder / "variables" / "a").write_bytes(b"Weights")
    elif change == "name":
        (folder / "variables" / "a").rename(folder / "variables" / "b")
    else:
        (folder / "variables" / "c").write_bytes(b"")
    assert model_digest(folder) != before
    assert len(before) == len(hashlib.sha256().hexdigest())


def test_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    one, two = _version(tmp_path, "1"), _version(tmp_path, "2")
    (two / ASSETS_EXTRA).mkdir()
    (two / ASSETS_EXTRA / "keys.txt").write_text("abc")
    assert model_digest(one) == model_digest(two)


def test_bytes_cannot_move_between_files(tmp_path: Path) -> None:
    one, two = _version(tmp_path, "1"), _version(tmp_path, "2")
    (one / "x").write_bytes(b"ab")
    (one / "y").write_bytes(b"c")
    (two / "x").write_bytes(b"a")
    (two / "y").write_bytes(b"bc")
    assert model_digest(one) != model_digest(two)


def test_a_digest_that_travels_along_is_taken(tmp_path: Path) -> None:
    folder = _version(tmp_path, "1")
    store = open_store(tmp_path)
    assert store.digest(1) == model_digest(folder)
    (folder / ASSETS_EXTRA).mkdir()
    (folder / ASSETS_EXTRA / DIGEST_FILE).write_text("feed\n")
    assert store.digest(1) == "feed"
