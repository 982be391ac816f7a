"""For all rooms: programs in processes that share imports, and servers of models in this one."""

import contextlib
import gc
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
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[1]
ZYGOTE = Path(__file__).with_name("zygote.py")
# A cluster's tests run in a cluster: see tests/cluster/run.py.
collect_ignore = [] if "PAWLENS_CLUSTER" in os.environ else ["cluster"]
SECONDS = 400.0  # that a program may take on a busy machine


def pytest_configure() -> None:
    # Graphs are made of many objects that stay: to look through them took a tenth of all time.
    gc.set_threshold(50_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no worker has one left when all else is done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Several workers share the tests by file, some of tests/e2e together: fixtures are dear."""
    config.option.loadscopereorder = False  # the order is that of the items
    return Rooms(config, log)


# Of tests/e2e: what starts from the same finished run; one worker takes these.
SAME_RUN = {
    "test_run.py": "pictures",
    "test_kubeflow.py": "pictures",
    "test_kill.py": "points",
    "test_linear_blobs.py": "points",
}


class Rooms(LoadFileScheduling):
    """Hands out files, and some of tests/e2e together."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return SAME_RUN.get(file.removeprefix("tests/e2e/"), file)


@dataclass
class Ended:
    """A program that has ended."""

    status: int
    output: str
    errors: str


class Running:
    """A program in a process of its own; its errors are in its output, or apart."""

    def __init__(self, ask: Callable[..., dict[str, Any]], pid: int, output: Path, errors: Path):
        self._ask = ask
        self._status: int | None = None
        self._output, self._errors = output, errors
        self.pid = pid

    def output_so_far(self) -> str:
        return self._output.read_text()

    def wait_for(self, condition, seconds=SECONDS, rest=0.01):
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

    def end(self, seconds: float = SECONDS, status: int | None = None) -> Ended:
        """What it was; it has to have that status, if one is given."""
        self.wait_for(self.ended, seconds)
        assert self._status is not None
        assert status in (None, self._status), self._errors.read_text()[-3000:]
        return Ended(self._status, self.output_so_far(), self._errors.read_text())


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

    def start(self, program: Path, *arguments: object, apart=False, **environment: str) -> Running:
        """Starts a Python file with arguments."""
        output = self._folder / f"{next(self._numbers)}.txt"
        errors = output.with_suffix(".err") if apart else output
        for file in (output, errors):
            file.touch()
        pid = self._ask(
            program=str(program),
            arguments=[str(argument) for argument in arguments],
            environment=environment,
            output=str(output),
            errors=str(errors),
        )["pid"]
        return Running(self._ask, pid, output, errors)

    def call(self, program: Path, *arguments: object, status: int | None = 0, **more: Any) -> Ended:
        return self.start(program, *arguments, **more).end(status=status)

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


@dataclass
class ServerHere:
    """A server of this process."""

    core: Any
    server: Any

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def channel(self) -> grpc.Channel:
        from serving.wire import methods

        return grpc.insecure_channel(self.target, options=methods.MESSAGE_SIZE_OPTIONS)

    @contextlib.contextmanager
    def stub(self) -> Iterator[SimpleNamespace]:
        """The methods of TensorFlow Serving's own stubs."""
        with self.channel() as channel:
            yield _stub(channel)


def _stub(channel: grpc.Channel) -> SimpleNamespace:
    from tensorflow_serving.apis import model_service_pb2_grpc as models
    from tensorflow_serving.apis import prediction_service_pb2_grpc as predictions

    stubs = predictions.PredictionServiceStub(channel), models.ModelServiceStub(channel)
    return SimpleNamespace(**vars(stubs[0]), **vars(stubs[1]))


@pytest.fixture(scope="session")
def stub_of() -> Callable[[grpc.Channel], SimpleNamespace]:
    """The methods of TensorFlow Serving's own stubs, of a channel."""
    return _stub


def _start_here(bases: dict[str, Path], **options: Any) -> ServerHere:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from serving.server.config_files import single_model
    from serving.server.core import Core
    from serving.server.grpc_server import GrpcServer
    from serving.server.loading import make_load
    from serving.server.observer import Observer
    from serving.server.options import ServerOptions
    from serving.server.service import Service

    config = ModelServerConfig()
    for name, base in bases.items():
        config.MergeFrom(single_model(name, str(base)))
    flags = ServerOptions(config, **{"port": 0} | options)
    observer = Observer()
    core = Core(make_load(flags, observer.metrics))
    core.reload(config)
    service = Service(core, observer, flags)
    return ServerHere(core, GrpcServer(service, observer, flags))


@pytest.fixture(scope="session")
def start_here() -> Iterator[Callable[..., ServerHere]]:
    """Starts servers of this process: base paths by model name, and ServerOptions."""
    running: list[ServerHere] = []

    def start(bases: dict[str, Path], **options: Any) -> ServerHere:
        running.append(_start_here(bases, **options))
        return running[-1]

    yield start
    for one in running:
        one.server.stop(10)  # the models stay loaded: they are tiny, to unload each takes a second
