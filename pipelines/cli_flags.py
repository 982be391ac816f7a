"""Flags that several commands share: declared once, and handed on as one argument."""

import inspect
from collections.abc import Callable
from typing import Any

Command = Callable[..., None]


def with_flags(shared: Callable[..., Any], argument: str) -> Callable[[Command], Command]:
    """Gives a command more flags, which reach it as one argument.

    Args:
        shared: a function or class whose parameters are the flags; what it makes of them is handed
            on.
        argument: of the command, for that.
    """
    flags = inspect.signature(shared).parameters

    def decorate(command: Command) -> Command:
        own = dict(inspect.signature(command).parameters)
        del own[argument]

        def run(**given: Any) -> None:
            made = shared(**{name: given.pop(name) for name in flags})
            command(**given, **{argument: made})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        # What Typer reads the flags from.
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for one in (*flags.values(), *own.values())
            ]
        )
        return run

    return decorate
