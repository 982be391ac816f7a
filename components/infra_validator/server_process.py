"""The embedded server as a separate process, which always ends with the block that started it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import serving
from components.export.answers import NotServable

_READY = re.compile(r"^Serving .* on (\S+:\d+)$", re.MULTILINE)
_REST = re.compile(r"^REST on http://(\S+:\d+)$", re.MULTILINE)
_POLL_SECONDS = 0.1
_STOP_SECONDS = 15.0
_KEPT_LINES = 8


@dataclass(frozen=True)
class Server:
    """A running server: HOST:PORT of gRPC and REST (empty: none), and its process."""

    target: str
    rest: str
    process: subprocess.Popen


@contextmanager
def running_server(
    model_name: str, base: Path, deadline: float, *flags: str, **environment: str
) -> Iterator[Server]:
    """Starts the embedded server on free ports and yields it once it serves.

    Args:
        model_name: the name to serve under.
        base: folder above the versions.
        deadline: time, as `time.monotonic` tells it, by which it has to serve.
        flags: more of them.
        environment: variables besides those of this process.

    Raises:
        NotServable: it ended or did not serve in time; with its last lines on stderr.
    """
    command = [sys.executable, "-m", "serving.server", "--port=0", f"--model_name={model_name}"]
    # If this process is killed, the pipe closes, and the server goes as well.
    command += [f"--model_base_path={base}", "--stop_with_stdin=true", *flags]
    root = str(Path(serving.__file__).parent.parent)
    paths = [root, os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [root]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    by_rest = any(flag.startswith("--rest_api_port") for flag in flags)
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        with (
            out.open("wb") as stdout,
            err.open("wb") as stderr,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, env=variables
            ) as process,
        ):
            try:
                yield _wait(process, out, err, deadline, by_rest)
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait(
    process: subprocess.Popen, out: Path, err: Path, deadline: float, by_rest: bool
) -> Server:
    while True:
        ended = process.poll() is not None
        told = out.read_text(encoding="utf-8", errors="replace")
        ready, rest = _READY.search(told), _REST.search(told)
        if ready and (rest or not by_rest):
            return Server(ready[1], rest[1] if rest else "", process)
        if ended:
            raise NotServable(
                f"the server did not start: exit status {process.returncode}: {_last_lines(err)}"
            )
        if time.monotonic() > deadline:
            raise NotServable(f"timed out: the server did not start in time: {_last_lines(err)}")
        time.sleep(_POLL_SECONDS)


def _last_lines(err: Path) -> str:
    lines = err.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line.strip() for line in lines if line.strip()][-_KEPT_LINES:]
    return " | ".join(kept) or "nothing on stderr"
