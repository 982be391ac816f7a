"""Flags that several commands share: declared once, and handed on as one argument."""

import inspect
from collections.abc import Callable
from typing import Any

Command = Callable[..., None]


def with_flags(**shared: Callable[..., Any]) -> Callable[[Command], Command]:
    """Gives a command more flags, which reach it as one argument each group.

    Args:
        shared: by argument of the command, a function or class whose parameters are the flags; what
            it makes of them is handed on.
    """
    groups = {argument: inspect.signature(make).parameters for argument, make in shared.items()}

    def decorate(command: Command) -> Command:
        parameters = inspect.signature(command).parameters
        own = [one for name, one in parameters.items() if name not in shared]

        def run(**given: Any) -> None:
            made = {
                argument: shared[argument](**{name: given.pop(name) for name in flags})
                for argument, flags in groups.items()
            }
            command(**given, **made)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        # What Typer reads the flags from.
        told = [*(one for flags in groups.values() for one in flags.values()), *own]
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in told]
        )
        return run

    return decorate
