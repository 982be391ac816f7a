"""The script that brings versions from an object store to a pod's disk."""

import os
import signal
import stat
import subprocess
import time

import pytest

# What the script asks of rclone, on a local folder: rclone itself is not installed here.
RCLONE = """#!/bin/sh
[ -e "$STORE_IS_DOWN" ] && exit 5
case $1 in
  lsf)
    cd "$2" || exit 3
    case "$*" in
      *--dirs-only*) ls -d */; cat .more 2>/dev/null || true ;;
      *) find . -mindepth 1 -maxdepth 2 -type f | sed 's|^\\./||' ;;
    esac ;;
  copy)
    mkdir -p "$3"
    [ -e "$2/is_large" ] && exec sleep 60
    cp "$2/saved_model.pb" "$3/"
    [ -e "$2/fails" ] && exit 1
    cp -r "$2/." "$3/" ;;
esac
"""


@pytest.fixture
def start(k8s, tmp_path):
    (tmp_path / "bin").mkdir()
    rclone = tmp_path / "bin" / "rclone"
    rclone.write_text(RCLONE)
    rclone.chmod(rclone.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "store").mkdir()
    (tmp_path / "models").mkdir()
    script = k8s / "serving" / "overlays" / "object-store" / "sync.sh"

    def start(*arguments):
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "MODELS_SOURCE": str(tmp_path / "store"),
            "MODELS_TARGET": str(tmp_path / "models"),
            "STORE_IS_DOWN": str(tmp_path / "down"),
        }
        return subprocess.Popen(["sh", script, *arguments], env=environment, process_group=0)

    return start


@pytest.fixture
def sync(start):
    return lambda: start("once").wait(30)


@pytest.fixture
def put(tmp_path):
    def make(version, *, whole=True, model="m"):
        folder = tmp_path / "store" / model / str(version)
        (folder / "variables").mkdir(parents=True)
        (folder / "variables" / "v").write_text(str(version))
        if whole:
            (folder / "saved_model.pb").write_text("graph")
        return folder

    return make


def _here(tmp_path, model="m"):
    return sorted(path.name for path in (tmp_path / "models" / model).iterdir())


def test_whole_versions_come_and_go_with_the_store(sync, put, tmp_path):
    put(1)
    put(20)
    put(3, whole=False)
    put(7, model="n")
    put(2, model="a+b")  # no name that a pusher gives; nor are these
    (tmp_path / "store" / ".more").write_text("../\n.hidden/\nx/../../y/\n")
    assert sync() == 0
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["m", "n"]
    assert _here(tmp_path) == ["1", "20"]
    assert _here(tmp_path, "n") == ["7"]
    assert (tmp_path / "models" / "m" / "20" / "variables" / "v").read_text() == "20"
    (tmp_path / "store" / "m" / "3" / "saved_model.pb").write_text("graph")
    (tmp_path / "store" / "m" / "1" / "saved_model.pb").unlink()
    assert sync() == 0
    assert _here(tmp_path) == ["20", "3"]


def test_a_copy_that_fails_is_never_seen_as_a_version(sync, put, tmp_path):
    put(1)
    assert sync() == 0
    folder = put(2)
    (folder / "fails").touch()
    assert sync() == 1
    assert _here(tmp_path) == [".sync-2", "1"]
    (folder / "fails").unlink()
    assert sync() == 0
    assert _here(tmp_path) == ["1", "2"]
    assert (tmp_path / "models" / "m" / "2" / "variables" / "v").exists()


def test_what_is_served_stays_while_the_store_is_down_or_empty(sync, put, tmp_path):
    put(1)
    assert sync() == 0
    (tmp_path / "down").touch()
    assert sync() == 1
    assert _here(tmp_path) == ["1"]
    (tmp_path / "down").unlink()
    (tmp_path / "store" / "m" / "1" / "saved_model.pb").unlink()
    assert sync() == 0
    assert _here(tmp_path) == ["1"]


@pytest.mark.parametrize(("arguments", "busy"), [((), False), ((), True), (("once",), True)])
def test_it_ends_as_soon_as_it_is_told(start, put, tmp_path, arguments, busy):
    folder = put(1)
    if busy:
        (folder / "is_large").touch()
    process = start(*arguments)
    end = time.monotonic() + 20
    while not (tmp_path / "models" / "m" / (".sync-1" if busy else "1")).exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    process.terminate()
    assert process.wait(5) == 143
    if busy:  # a pod's end takes it along
        os.killpg(process.pid, signal.SIGKILL)
