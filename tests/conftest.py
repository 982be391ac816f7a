"""Processes of their own for all tests, which share one import of TensorFlow and TFX."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[1]
ZYGOTE = Path(__file__).with_name("zygote.py")
SECONDS = 400.0  # that a program may take on a busy machine


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Where several workers share the tests, a file stays whole, and so does half of tests/e2e.

    Their fixtures are dear: a trained model, a server, a whole run.
    """
    return Rooms(config, log)


# Of tests/e2e: what starts from one finished run of cats_vs_dogs; one worker takes these.
SAME_RUN = {"test_run.py", "test_kill.py", "test_kubeflow.py"}


class Rooms(LoadFileScheduling):
    """Hands out files, and those of tests/e2e as if they were two."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        folder, _, name = file.rpartition("/")
        return f"{folder}/{name in SAME_RUN}" if folder == "tests/e2e" else file


@dataclass
class Ended:
    """A program that has ended."""

    status: int
    output: str


class Running:
    """A program in a process of its own."""

    def __init__(self, ask: Callable[..., dict[str, Any]], pid: int, output: Path):
        self._ask = ask
        self._status: int | None = None
        self._output = output
        self.pid = pid

    def output_so_far(self) -> str:
        return self._output.read_text()

    def wait_for(
        self, condition: Callable[[], object], seconds: float = SECONDS, rest: float = 0.01
    ) -> None:
        """Polls, with a rest in between, until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.output_so_far()[-3000:]
            time.sleep(rest)

    def wait_for_line(self, line: str) -> None:
        self.wait_for(lambda: any(x.strip() == line for x in self.output_so_far().splitlines()))

    def kill(self) -> Ended:
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        return self.end()

    def ended(self) -> bool:
        if self._status is None:
            self._status = self._ask(poll=self.pid)["status"]
        return self._status is not None

    def end(self, seconds: float = SECONDS) -> Ended:
        self.wait_for(self.ended, seconds)
        assert self._status is not None
        return Ended(self._status, self.output_so_far())


class Zygote:
    """See zygote.py; several programs may run at a time."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._numbers = itertools.count()
        self.process = subprocess.Popen(
            # Without -P, the folders of these tests would hide those that they test.
            [sys.executable, "-P", str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(ROOT)},
        )
        assert self._read() == {"ready": True}

    def start(self, program: Path, *arguments: object, **environment: str) -> Running:
        """Starts a Python file with arguments."""
        output = self._folder / f"{next(self._numbers)}.txt"
        output.touch()
        pid = self._ask(
            program=str(program),
            arguments=[str(argument) for argument in arguments],
            environment=environment,
            output=str(output),
        )["pid"]
        return Running(self._ask, pid, output)

    def call(self, program: Path, *arguments: object, **environment: str) -> Ended:
        return self.start(program, *arguments, **environment).end()

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    helper = Zygote(tmp_path_factory.mktemp("output"))
    yield helper
    assert helper.process.stdin
    helper.process.stdin.close()
    helper.process.wait(timeout=30)
