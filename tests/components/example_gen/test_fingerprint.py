import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tfx.orchestration.data_types_utils import get_metadata_value
from tfx.orchestration.portable.data_types import ExecutionInfo

from components.example_gen.driver import Driver, fingerprint_folder

NANOSECONDS = 1_700_000_000_123_456_789


def _write(path: Path, content: bytes, nanoseconds: int = NANOSECONDS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(nanoseconds, nanoseconds))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for path, content in {"Cat/0": b"cat zero", "Cat/1": b"cat one!", "Dog/0": b"dog zero"}.items():
        _write(root / f"{path}.jpg", content)
    # Ingest reads the images behind `Bird -> /another/disk`, and what is not there yet.
    _write(tmp_path / "birds/0.jpg", b"bird")
    (root / "Bird").symlink_to(tmp_path / "birds")
    (root / "Cat/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "Cat/up").symlink_to(root)  # links in a circle end
    (root / "Dog/cats").symlink_to(root / "Cat")
    return root


def _both(folder: Path) -> tuple[str, str]:
    return fingerprint_folder(folder), fingerprint_folder(folder, content=True)


def _move(root: Path) -> None:
    """Number of files, bytes and times stay: TFX's own fingerprint misses it."""
    (root / "Dog/0.jpg").rename(root / "Cat/2.jpg")
    os.utime(root / "Cat/2.jpg", ns=(NANOSECONDS, NANOSECONDS))


def _hide(root: Path) -> None:
    for name in (".marker.json", "Cat/._0.jpg", ".git/3.jpg"):
        _write(root / name, b"shadow")


# What is done -> whether size and time tell it, whether the content tells it.
CHANGES: dict[str, tuple[Callable[[Path], object], bool, bool]] = {
    "nothing": (lambda root: None, False, False),
    "hidden files": (_hide, False, False),
    "a move between classes": (_move, True, True),
    "a nanosecond": (lambda root: _write(root / "Cat/0.jpg", b"cat zero", 9), True, False),
    "an edit": (lambda root: _write(root / "Cat/0.jpg", b"cat ZERO"), False, True),
    "a size": (lambda root: _write(root / "Cat/0.jpg", b"cat zero."), True, True),
    "a file more": (lambda root: _write(root / "Dog/1.jpg", b""), True, True),
    "a nested file": (lambda root: _write(root / "Cat/more/0.jpg", b""), True, True),
    "a file less": (lambda root: (root / "Cat/0.jpg").unlink(), True, True),
    "a link less": (lambda root: (root / "Cat/gone.jpg").unlink(), True, True),
    "a mended link": (lambda root: _write(root.parent / "nowhere.jpg", b""), True, True),
    "a linked folder": (lambda root: _write(root / "Bird/0.jpg", b"another", 9), True, True),
    "a name of no UTF-8": (lambda root: (root / os.fsdecode(b"Cat/\xff.jpg")).touch(), True, True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes(folder, change):
    before = _both(folder)
    do, by_status, by_content = CHANGES[change]
    do(folder)
    after = _both(folder)
    assert (before[0] != after[0], before[1] != after[1]) == (by_status, by_content)


def test_does_not_depend_on_the_place(tmp_path):
    _write(tmp_path / "here/Cat/0.jpg", b"cat zero")
    before = _both(tmp_path / "here")
    assert before[0] != before[1]
    assert _both((tmp_path / "here").rename(tmp_path / "elsewhere")) == before


@pytest.mark.parametrize("rehash", [0, 1])
def test_driver_puts_it_into_the_execution_properties(folder, rehash):
    properties = {"input_base": str(folder), "rehash": rehash, "task": "image_classification"}
    told = Driver(None).run(ExecutionInfo(exec_properties=dict(properties))).exec_properties
    fingerprint = fingerprint_folder(folder, content=bool(rehash))
    found = {key: get_metadata_value(value) for key, value in told.items()}
    assert found == properties | {"input_fingerprint": fingerprint}
