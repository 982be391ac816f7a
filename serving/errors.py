"""The two exceptions that the command turns into one line: status 2 and status 1."""

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any


class InputError(ValueError):
    """Wrong input or configuration, told in one line; the command exits with status 2.

    Args:
        what: what is wrong and where: the key, the file, the flag.
        expected: what would have been right.
        found: what was there instead.
        todo: what to do about it, as an instruction.
    """

    def __init__(self, what: str, *, expected: str = "", found: str = "", todo: str = ""):
        parts = [what]
        if expected:
            parts.append(f"expected {expected}")
        if found:
            parts.append(f"found {found}")
        line = ": ".join([parts[0], ", ".join(parts[1:])] if parts[1:] else parts)
        if todo:
            line += f"; {todo}"
        super().__init__(" ".join(line.split()))


@contextlib.contextmanager
def os_errors(what: str, expected: str, todo: str = "") -> Iterator[None]:
    """Makes an InputError of what the operating system refuses in the block."""
    try:
        yield
    except OSError as error:
        found = error.strerror or str(error) or type(error).__name__
        raise InputError(what, expected=expected, found=found, todo=todo) from error


class FailedError(RuntimeError):
    """Something failed that the user did not get wrong, told in one line; status 1."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint at the valid name that is closest to a wrong one; empty if none is close."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else ""


def check_one_of(key: str, value: str, valid: Iterable[str], of: str = "one of") -> None:
    """Refuses a value that is not among the valid ones.

    Raises:
        InputError: naming the key, the valid values and the nearest of them.
    """
    valid = list(valid)
    if value not in valid:
        raise InputError(
            key, expected=f"{of} {', '.join(valid)}", found=repr(value), todo=nearest(value, valid)
        )


def mistakes_of(check: Callable[..., Any], *arguments: Any) -> Iterator[InputError]:
    """What a call refuses, to be told beside other mistakes."""
    try:
        check(*arguments)
    except InputError as error:
        yield error


class Mistakes(InputError):
    """Several mistakes, told in a line each.

    Attributes:
        errors: the mistakes.
    """

    def __init__(self, errors: Sequence[InputError]):
        ValueError.__init__(self, "\n".join(map(str, errors)))
        self.errors = list(errors)
