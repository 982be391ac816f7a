import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.datasets.synth import synthesize

ZYGOTE = Path(__file__).with_name("zygote.py")
# Thresholds that any model keeps: what is tested is the way, not the learning.
TINY = {
    "trainer.image_size": "32",
    "trainer.epochs": "2",
    "trainer.batch_size": "16",
    "evaluator.confidence_intervals": "false",
    "evaluator.thresholds": "{accuracy: {min: 0.0, max_drop: 0.0}}",
    "evaluator.slice_thresholds": "{}",
    "evaluator.slices": "[]",
    "infra_validator.pictures": "1",
    "interpreter.pictures": "2",
}


@dataclass
class Ended:
    """A command that has ended."""

    status: int
    output: str


class Running:
    """A command in a process of its own."""

    def __init__(self, zygote: "Zygote", pid: int, output: Path):
        self._zygote = zygote
        self.pid = pid
        self._output = output

    def wait_for(self, condition, seconds: float = 120.0) -> None:
        """Polls, without rest, until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self._output.read_text()

    def output_so_far(self) -> str:
        return self._output.read_text()

    def wait_for_line(self, line: str) -> None:
        self.wait_for(lambda: any(x.strip() == line for x in self._output.read_text().splitlines()))

    def kill(self) -> Ended:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self.end()

    def end(self) -> Ended:
        return Ended(self._zygote.read()["status"], self._output.read_text())


class Zygote:
    """See zygote.py; one command at a time."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._numbers = itertools.count()
        self.process = subprocess.Popen(
            [sys.executable, str(ZYGOTE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def start(self, *arguments: object) -> Running:
        output = self._folder / f"{next(self._numbers)}.txt"
        command = {"arguments": [str(argument) for argument in arguments], "output": str(output)}
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        pid = self.read()["pid"]
        running = Running(self, pid, output)
        running.wait_for(output.exists)
        return running

    def call(self, *arguments: object) -> Ended:
        return self.start(*arguments).end()


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    helper = Zygote(tmp_path_factory.mktemp("output"))
    assert helper.read() == {"ready": True}
    yield helper
    helper.process.stdin.close()
    helper.process.wait(timeout=30)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "pictures"
    synthesize(folder, "cats_dogs", 80, seed=5, size=(72, 60))
    return folder


@pytest.fixture(scope="session")
def run_arguments():
    """Arguments of a tiny `pawlens run`; keyword `sets` overrides TINY."""

    def build(data: Path, workdir: Path, *more: str, sets: dict[str, str] | None = None):
        settings = TINY | (sets or {})
        pairs = [word for item in settings.items() for word in ("--set", "=".join(item))]
        return ["run", "cats_vs_dogs", "--data", data, "--workdir", workdir, *pairs, *more]

    return build


@pytest.fixture(scope="session")
def finished(zygote, pictures, run_arguments, tmp_path_factory):
    """A work directory in which the tiny pipeline ran once, undisturbed, and its summary."""
    workdir = tmp_path_factory.mktemp("work") / "undisturbed"
    ended = zygote.call(*run_arguments(pictures, workdir))
    assert ended.status == 0, ended.output
    return workdir, json.loads((workdir / "summary.json").read_text()), ended.output


@pytest.fixture
def rerunnable(finished, tmp_path_factory):
    """The finished work directory, for tests that run in it again one after the other."""
    return finished[0]


@pytest.fixture
def picture_copy(pictures, tmp_path):
    """The pictures once more, with their times, to be changed."""
    copy = tmp_path / "pictures"
    shutil.copytree(pictures, copy, copy_function=shutil.copy2)
    return copy
