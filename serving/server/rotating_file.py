"""A file of lines that never grows past a bound."""

from itertools import pairwise
from pathlib import Path


class RotatingFile:
    """`PREFIX.jsonl`, and older lines in `PREFIX.1.jsonl` (newest) to `PREFIX.KEEP.jsonl`.

    Args:
        prefix: path without its ending; the folder is made when the first line comes.
        max_bytes: of one file; a single longer line is left out.
        keep: older files.
    """

    def __init__(self, prefix: str, *, max_bytes: int, keep: int):
        self.path = Path(f"{prefix}.jsonl")
        self._older = [Path(f"{prefix}.{number}.jsonl") for number in range(1, keep + 1)]
        self._max_bytes = max_bytes

    def append(self, lines: list[str]) -> None:
        """Appends lines.

        Raises:
            OSError: they cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        size = self.path.stat().st_size if self.path.exists() else 0
        pending: list[bytes] = []
        for line in lines:
            data = f"{line}\n".encode()
            if len(data) > self._max_bytes:
                continue
            if size + len(data) > self._max_bytes:
                self._flush(pending)
                self._rotate()
                size = 0
            pending.append(data)
            size += len(data)
        self._flush(pending)

    def _flush(self, pending: list[bytes]) -> None:
        if pending:
            with self.path.open("ab") as file:
                file.write(b"".join(pending))
            pending.clear()

    def _rotate(self) -> None:
        files = [self.path, *self._older]
        for newer, older in reversed(list(pairwise(files))):
            if newer.exists():
                newer.replace(older)
        if not self._older:
            self.path.unlink(missing_ok=True)
