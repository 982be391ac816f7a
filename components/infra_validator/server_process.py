"""The embedded server as a separate process, which always ends with the block that started it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serving
from components.export.answers import NotServable

_READY = re.compile(r"^Serving .* on (\S+:\d+)$", re.MULTILINE)
_POLL_SECONDS = 0.1
_STOP_SECONDS = 15.0
_KEPT_LINES = 8


@contextmanager
def running_server(model_name: str, base: Path, deadline: float) -> Iterator[str]:
    """Starts the embedded server on a free port and yields its HOST:PORT once it serves.

    Args:
        model_name: the name to serve under.
        base: folder above the versions.
        deadline: time, as `time.monotonic` tells it, by which it has to serve.

    Raises:
        NotServable: it ended or did not serve in time; with its last lines on stderr.
    """
    command = [
        sys.executable,
        "-m",
        "serving.server",
        "--port=0",
        f"--model_name={model_name}",
        f"--model_base_path={base}",
        "--file_system_poll_wait_seconds=0",
        "--access_log=off",
        # If this process is killed, the pipe closes, and the server goes as well.
        "--stop_with_stdin=true",
    ]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, env=_environment()
            )
        try:
            yield _wait(process, out, err, deadline)
        finally:
            _end(process)


def _environment() -> dict[str, str]:
    root = str(Path(serving.__file__).parent.parent)
    paths = [root, os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [root]
    # This process may hold the whole memory of a GPU, and answers are compared on equal hardware.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": "-1"}


def _wait(process: subprocess.Popen, out: Path, err: Path, deadline: float) -> str:
    while True:
        ended = process.poll() is not None
        ready = _READY.search(out.read_text(encoding="utf-8", errors="replace"))
        if ready:
            return ready.group(1)
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


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdin:
        process.stdin.close()
