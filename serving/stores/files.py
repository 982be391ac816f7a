"""Files in folders that others may write to as well: what they planted there is never written to.

A lock is a plain file with one name, or it is refused. A file is written beside its place, under a
name that nobody can know before, and renamed: a rename replaces a link and does not follow it.
"""

import os
import secrets
import stat
from pathlib import Path

from serving.errors import InputError, os_errors


def open_own(path: Path, flags: int = os.O_RDWR) -> int:
    """Opens a lock or a log, or makes it; returns its descriptor.

    Raises:
        InputError: in its place is a link of either kind, or no file at all.
        OSError: it can neither be opened nor made.
    """
    # Nor does it wait for who may write to a pipe.
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o644)
    except OSError:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise _planted(path) from None
        raise
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return handle
    os.close(handle)
    raise _planted(path)


def write_whole(path: Path, content: bytes, what: str = "") -> None:
    """Writes a file that a reader never sees half of, with the mode of the one in its place.

    Args:
        path: the file.
        content: what is in it afterwards.
        what: what a message calls it; its path.

    Raises:
        InputError: it cannot be written; what was there stays.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os_errors(what or str(path), expected="a file to write"):
        try:
            with draft.open("xb") as file:  # follows no link, and is the first to make the file
                if path.is_file() and not path.is_symlink():
                    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def check_links(model: Path) -> None:
    """Refuses a model with links out of its folder: what they lead to would be published with it.

    Raises:
        InputError: naming the first one.
    """
    root = Path(os.path.realpath(model))
    for path in sorted(model.rglob("*")):
        target = Path(os.path.realpath(path))  # `Path.resolve` takes no circles
        if path.is_symlink() and not target.is_relative_to(root):
            raise InputError(
                f"model {model}",
                expected="links within its folder only",
                found=f"{path.relative_to(model)}, a link to {target}",
                todo="put a copy in its place",
            )


def _planted(path: Path) -> InputError:
    found = "one with several names" if path.is_file() else "none"
    if path.is_symlink():
        found = f"a link to {path.readlink()}"
    expected = "a plain file of one name"
    return InputError(str(path), expected=expected, found=found, todo="remove it")
