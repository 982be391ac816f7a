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


def test_a_second_run_is_refused_until_the_first_is_killed(holder, tmp_path):
    place = WorkDir(tmp_path / "work")
    with pytest.raises(InputError, match=f"process {holder.pid} running there"), place.locked():
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with place.locked():
        assert (tmp_path / "work" / "run.lock").read_text() == f"{os.getpid()}\n"


def test_a_file_in_its_place_is_told(tmp_path):
    (tmp_path / "work").write_text("")
    place = WorkDir(tmp_path / "work")
    with pytest.raises(InputError, match="expected a folder to write in"), place.locked():
        pass
