"""The work directory of a pipeline on this machine: its places, and one run at a time in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.errors import InputError


@dataclass(frozen=True)
class WorkDir:
    """Where everything of a pipeline lies.

    Attributes:
        root: the folder itself.
    """

    root: Path

    @property
    def metadata(self) -> Path:
        """TFX's metadata, sqlite."""
        return self.root / "metadata.sqlite"

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.root / "artifacts"

    @property
    def serving(self) -> Path:
        """Pushed models, unless the configuration names another place."""
        return self.root / "serving"

    @property
    def state(self) -> Path:
        """What a killed training left to go on from."""
        return self.root / "state"

    @property
    def logs(self) -> Path:
        """One log file per run."""
        return self.root / "logs"

    @property
    def summary(self) -> Path:
        """What the last run did, as JSON."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The last run's report, a copy of the interpreter's."""
        return self.root / "report.html"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the work directory for this process; the kernel lets go if it dies.

        Raises:
            InputError: another process holds it, or the folder cannot be made.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"work directory {self.root}",
                expected="a folder to write in",
                found=error.strerror or str(error),
                todo="pass another with --workdir",
            ) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                pid = os.pread(handle, 32, 0).decode().strip()
                raise InputError(
                    f"work directory {self.root}",
                    expected="no other run in it",
                    found=f"process {pid} running there",
                    todo="wait for it, or pass another with --workdir",
                ) from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)
