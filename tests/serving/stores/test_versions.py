"""The layout `<base>/<version>/saved_model.pb` and the digests."""

import hashlib
from pathlib import Path

import fsspec
import pytest

from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores import open_store
from serving.stores.versions import model_digest


def _version(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_only_whole_versions_count(tmp_path: Path) -> None:
    for name in ("2", "10", "9", "tmp-11", "12.tmp", "-3", "007", "\u0663", "+4"):
        _version(tmp_path, name)
    (tmp_path / "99").mkdir()  # no saved_model.pb yet
    (tmp_path / "98").write_text("a file")
    assert open_store(tmp_path).versions() == [2, 7, 9, 10]
    assert open_store(tmp_path / "absent").versions() == []


@pytest.mark.parametrize("place", ["memory://zeros", "{tmp_path}"])
def test_zeros_in_front_of_a_version(tmp_path: Path, place: str) -> None:
    """TensorFlow Serving's own examples are named like this."""
    base = place.format(tmp_path=tmp_path / "zeros")
    filesystem, root = fsspec.core.url_to_fs(base)
    for name in ("00000123", "1", "001", "0124"):
        filesystem.makedirs(f"{root}/{name}")
        for file in ("saved_model.pb", "who"):
            filesystem.pipe_file(f"{root}/{name}/{file}", name.encode())
    store = open_store(base)
    assert store.versions() == [1, 123, 124]
    assert store.path(123) == f"{base}/00000123"
    # Of two, TensorFlow Serving takes the last by name.
    assert [store.read(one, "who") for one in (1, 124)] == [b"1", b"0124"]
    store.fetch(123, tmp_path / "copy")
    assert (tmp_path / "copy" / "who").read_text() == "00000123"
    # A push goes on in plain numbers.
    new = store.publish(_version(tmp_path, "new"), {}, lambda: True)
    assert store.path(new) == f"{base}/{new}"
    store.remove(124)
    assert store.versions() == [1, 123, new]


@pytest.mark.parametrize(
    ("files", "differs"),
    [
        ({"variables/a": b"Weights"}, True),
        ({"variables/a": None, "variables/b": b"weights"}, True),  # renamed
        ({"variables/c": b""}, True),
        ({"x": b"a", "y": b"bc"}, True),  # a byte moved from one to the other
        ({f"{ASSETS_EXTRA}/keys.txt": b"abc"}, False),
    ],
)
def test_digest_is_of_the_content_alone(tmp_path: Path, files: dict, differs: bool) -> None:
    folder = _version(tmp_path, "1")
    for name in ("variables", ASSETS_EXTRA):
        (folder / name).mkdir()
    for name, content in {"variables/a": b"weights", "x": b"ab", "y": b"c"}.items():
        (folder / name).write_bytes(content)
    before = model_digest(folder)
    for name, content in files.items():
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
    assert (model_digest(folder) != before) is differs
    assert len(before) == len(hashlib.sha256().hexdigest())


def test_a_digest_that_travels_along_is_taken(tmp_path: Path) -> None:
    folder = _version(tmp_path, "1")
    store = open_store(tmp_path)
    assert store.digest(1) == model_digest(folder)
    (folder / ASSETS_EXTRA).mkdir()
    (folder / ASSETS_EXTRA / DIGEST_FILE).write_text("feed\n")
    assert store.digest(1) == "feed"
