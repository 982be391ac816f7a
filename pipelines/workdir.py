"""The work directory of a pipeline on this machine: its places, and one run at a time in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.errors import InputError, os_errors
from serving.stores.files import open_own
from serving.stores.versions import PATTERN_CHARACTERS


class WorkDir:
    """Where everything of a pipeline lies.

    Attributes:
        root: the folder itself.
        metadata: TFX's metadata, sqlite.
        artifacts: TFX's pipeline root.
        serving: pushed models, unless the configuration names another place.
        state: what a killed training left to go on from.
        logs: one log file per run.
        summary: what the last run did, as JSON.
        report: the last run's report, a copy of the interpreter's.
    """

    def __init__(self, root: Path):
        self.root = root
        self.metadata = root / "metadata.sqlite"
        self.artifacts = root / "artifacts"
        self.serving = root / "serving"
        self.state = root / "state"
        self.logs = root / "logs"
        self.summary = root / "summary.json"
        self.report = root / "report.html"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the work directory for this process; the kernel lets go if it dies.

        Raises:
            InputError: another process holds it, or the folder cannot be made or not be used.
        """
        what, todo = f"work directory {self.root}", "pass another with --workdir"
        # Beam reads and writes by file patterns: it would take such a path for several.
        found = "".join(one for one in PATTERN_CHARACTERS if one in str(self.root))
        if found:
            expected = f"a path without any of {PATTERN_CHARACTERS}"
            raise InputError(what, expected=expected, found=found, todo=todo)
        with os_errors(what, expected="a folder to write in", todo=todo):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = open_own(self.root / "run.lock")
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                pid = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
                raise InputError(
                    what,
                    expected="no other run in it",
                    found=f"process {pid} running there",
                    todo=f"wait for it, or {todo}",
                ) from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)
