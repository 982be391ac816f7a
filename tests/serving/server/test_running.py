"""The whole server in this process: what it says, what it refuses, what it leaves behind."""

import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.errors import InputError
from serving.server.options import parse_flags
from serving.server.running import run


class _Run:
    """`run` in a thread, until told to stop."""

    def __init__(self, *flags: str):
        self.started, self.stop = threading.Event(), threading.Event()
        options = parse_flags(["--port=0", "--file_system_poll_wait_seconds=0", *flags])
        self._run = ThreadPoolExecutor(1).submit(run, options, self.started, self.stop)
        while not self._run.done() and not self.started.wait(0.05):
            pass

    def end(self) -> int:
        """The status that it ends with, by itself if it never started."""
        if self.started.is_set():
            self.stop.set()
        return self._run.result(60)


@pytest.fixture
def config(base: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A config file of models a and b; what is added belongs to b."""

    def write(text: str) -> Path:
        path = tmp_path / "models.config"
        model = f'base_path: "{base}" model_platform: "tensorflow"'
        path.write_text(
            f'model_config_list {{ config {{ name: "a" {model} }}'
            f' config {{ name: "b" {model} {text} }} }}'
        )
        return path

    return write


def test_a_line_for_each_model_and_one_for_rest(config, capfd: pytest.CaptureFixture) -> None:
    running = _Run(f"--model_config_file={config('')}", "--rest_api_port=-1", "--access_log=off")
    time.sleep(0.1)
    assert running.end() == 0
    lines = capfd.readouterr().out.splitlines()
    assert [re.sub(r"\d{4,}", "PORT", line) for line in lines] == [
        "Serving a version 3 on 127.0.0.1:PORT",
        "Serving b version 3 on 127.0.0.1:PORT",
        "REST on http://127.0.0.1:PORT",
    ]


def test_no_model_yet(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "models.config"
    path.touch()
    running = _Run(f"--model_config_file={path}")
    time.sleep(0.1)
    assert running.end() == 0
    out = capfd.readouterr().out
    assert out.startswith("Serving no model yet on 127.0.0.1:")
    assert out.count("\n") == 1  # and no REST


def test_nothing_that_loads(base: Path, capfd: pytest.CaptureFixture) -> None:
    (base / "4").mkdir()
    (base / "4" / "saved_model.pb").write_bytes(b"broken")
    (base / "3").unlink()
    running = _Run(f"--model_base_path={base}", "--model_name=m")
    assert not running.started.is_set()
    assert running.end() == 1
    told = capfd.readouterr()
    assert told.out == ""
    assert "model m did not become available: version 4: " in told.err


def test_labels_at_the_start_say_what_allows_them(config) -> None:
    path = config('version_labels { key: "stable" value: 3 }')
    flag = "--allow_version_labels_for_unavailable_models"
    with pytest.raises(InputError, match=f"^[^\n]*{flag}=true$"):
        _Run(f"--model_config_file={path}").end()
    allowed = _Run(f"--model_config_file={path}", flag)
    assert allowed.started.is_set()
    assert allowed.end() == 0


def test_a_wrong_logging_config(config) -> None:
    path = config("logging_config { sampling_config { sampling_rate: 2 } }")
    with pytest.raises(InputError, match=rf"{path}.*sampling rate"):
        _Run(f"--model_config_file={path}").end()


@pytest.mark.parametrize("flag", ["--port", "--rest_api_port"])
def test_a_port_in_use(base: Path, flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=f"^{flag}="):
            _Run(f"--model_base_path={base}", f"{flag}={taken.getsockname()[1]}").end()
