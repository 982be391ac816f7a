import os
import signal
import subprocess
import sys

import pytest

from pipelines.workdir import WorkDir
from serving.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from pipelines.workdir import WorkDir
with WorkDir(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "work")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_second_run_is_refused_with_the_first_ones_pid(holder, tmp_path):
    with (
        pytest.raises(InputError, match=f"process {holder.pid} running there"),
        WorkDir(tmp_path / "work").locked(),
    ):
        pass


def test_a_killed_run_holds_nothing(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with WorkDir(tmp_path / "work").locked():
        assert (tmp_path / "work" / "run.lock").read_text() == f"{os.getpid()}\n"


def test_a_file_in_its_place_is_told(tmp_path):
    (tmp_path / "work").write_text("")
    with (
        pytest.raises(InputError, match="expected a folder to write in"),
        WorkDir(tmp_path / "work").locked(),
    ):
        pass
