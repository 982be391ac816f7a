"""A file of lines that never grows past a bound."""

from itertools import pairwise
from pathlib import Path


def append_lines(prefix: str, lines: list[str], *, max_bytes: int, keep: int) -> None:
    """Appends lines to `PREFIX.jsonl`; older ones are in `PREFIX.1.jsonl` to `PREFIX.KEEP.jsonl`.

    Args:
        prefix: path without its ending; its folder is made.
        lines: without their ends.
        max_bytes: of one file; a single longer line is left out.
        keep: older files, at least one; the newest is number 1.

    Raises:
        OSError: they cannot be written.
    """
    path = Path(f"{prefix}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    for line in lines:
        data = f"{line}\n".encode()
        if len(data) > max_bytes:
            continue
        if path.exists() and path.stat().st_size + len(data) > max_bytes:
            older = (Path(f"{prefix}.{number}.jsonl") for number in range(1, keep + 1))
            for newer, next_older in reversed(list(pairwise([path, *older]))):
                if newer.exists():
                    newer.replace(next_older)
        with path.open("ab") as file:
            file.write(data)
