"""The access log: one JSON line a request."""

import json
from pathlib import Path
from typing import Any

from serving.errors import InputError
from serving.server.call import Call
from serving.server.line_writer import LineWriter, LogFile

OFF = "off"
_CAPACITY = 10_000


class AccessLog:
    """Writes a line for each request, to a file or to the process's standard error.

    What a request did not say or did not reach is null; `error` stands only where there is one.

    Args:
        target: `stderr`, or a file that is appended to, and rotated.
        mode: of a new file.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, target: str, mode: int = 0o600):
        path = None if target == "stderr" else Path(target).expanduser()
        try:
            self._file = LogFile(path, mode)
        except OSError as error:
            expected = "stderr, off or a file to write"
            raise InputError("--access_log", expected=expected, found=str(error)) from error
        self._writer: LineWriter[dict[str, Any]] = LineWriter("access log", self._write, _CAPACITY)

    def write(self, call: Call) -> None:
        """Hands over a request that is done; never waits."""
        line = call.told() | {"peer": call.peer or None, "status": call.status.name}
        if call.details:
            line["error"] = call.details
        self._writer.put(line)

    def close(self) -> None:
        """Writes what waits."""
        self._writer.close()
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.append(f"{json.dumps(line)}\n".encode())
