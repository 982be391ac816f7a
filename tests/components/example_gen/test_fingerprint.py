"""What the cache key of the step sees of the data folder."""

import os
from pathlib import Path

import pytest

from components.example_gen.fingerprint import fingerprint_folder

NANOSECONDS = 1_700_000_000_123_456_789


def _write(path: Path, content: bytes, nanoseconds: int = NANOSECONDS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(nanoseconds, nanoseconds))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    _write(root / "Cat/0.jpg", b"cat zero")
    _write(root / "Cat/1.jpg", b"cat one!")
    _write(root / "Dog/0.jpg", b"dog zero")
    return root


def _both(folder: Path) -> tuple[str, str]:
    return fingerprint_folder(folder), fingerprint_folder(folder, content=True)


def test_stays_and_does_not_depend_on_the_place(folder):
    before = _both(folder)
    assert before[0] != before[1]
    assert _both(folder) == before
    assert _both(folder.rename(folder.with_name("elsewhere"))) == before


def test_a_move_between_classes(folder):
    """Number of files, bytes and times stay: TFX's own fingerprint misses it."""
    before = _both(folder)
    status = (folder / "Dog/0.jpg").stat()
    (folder / "Dog/0.jpg").rename(folder / "Cat/2.jpg")
    os.utime(folder / "Cat/2.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    after = _both(folder)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_nanosecond(folder):
    before = _both(folder)
    _write(folder / "Cat/0.jpg", b"cat zero", NANOSECONDS + 1)
    after = _both(folder)
    assert before[0] != after[0]
    assert before[1] == after[1]


@pytest.mark.parametrize("change", ["size", "added", "removed", "nested"])
def test_changes(folder, change):
    before = _both(folder)
    if change == "size":
        _write(folder / "Cat/0.jpg", b"cat zero.")
    elif change == "removed":
        (folder / "Cat/0.jpg").unlink()
    else:
        _write(folder / ("Cat/more/0.jpg" if change == "nested" else "Dog/1.jpg"), b"")
    after = _both(folder)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_an_edit_that_kept_size_and_time(folder):
    before = _both(folder)
    _write(folder / "Cat/0.jpg", b"cat ZERO")
    after = _both(folder)
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_hidden_files_do_not_count(folder):
    before = _both(folder)
    _write(folder / ".marker.json", b"{}")
    _write(folder / "Cat/._0.jpg", b"shadow")
    _write(folder / ".git/3.jpg", b"")
    assert _both(folder) == before


def test_dangling_links_count_by_name(folder):
    before = _both(folder)
    (folder / "Cat/gone.jpg").symlink_to(folder.parent / "nowhere.jpg")
    dangling = _both(folder)
    assert dangling[0] != before[0]
    assert dangling[1] != before[1]
    _write(folder.parent / "nowhere.jpg", b"now it is there")
    mended = _both(folder)
    assert mended[0] != dangling[0]
    assert mended[1] != dangling[1]


def test_linked_folders_are_looked_into(folder):
    """Ingest reads the pictures behind `Cat -> /another/disk`, so their change has to show."""
    (folder / "Cat").rename(folder.parent / "cats")
    (folder / "Cat").symlink_to(folder.parent / "cats")
    before = _both(folder)
    _write(folder.parent / "cats/0.jpg", b"another cat")
    after = _both(folder)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_links_in_a_circle_end(folder):
    (folder / "Cat/up").symlink_to(folder)
    (folder / "Dog/cats").symlink_to(folder / "Cat")
    (folder / "Cat/dogs").symlink_to(folder / "Dog")
    before = fingerprint_folder(folder)
    _write(folder / "Cat/5.jpg", b"")
    assert fingerprint_folder(folder) != before


def test_names_that_are_not_utf8(folder):
    before = _both(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/Cat/\xff.jpg")).write_bytes(b"")
    assert fingerprint_folder(folder) != before[0]
    assert fingerprint_folder(folder, content=True) != before[1]


@pytest.mark.parametrize("rehash", [0, 1])
def test_driver_puts_it_into_the_execution_properties(folder, rehash):
    from tfx.orchestration import data_types

    from components.example_gen.driver import Driver

    properties = {"input_base": str(folder), "rehash": rehash, "task": "image_classification"}
    resolved = Driver(None).resolve_exec_properties(
        dict(properties),
        data_types.PipelineInfo("name", "root"),
        data_types.ComponentInfo("type", "id", None),
    )
    expected = {
        "input_fingerprint": fingerprint_folder(folder, content=bool(rehash)),
        "span": 0,
        "version": None,
    }
    assert resolved == properties | expected
