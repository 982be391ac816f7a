"""Names in a configuration that stand for code: shipped ones, entry points, import paths.

`package.module:attribute` names anything; a package may also announce what it brings under an entry
point of the group `pawlens.<kind>`, such as `pawlens.models`. Light: nothing is imported before it
is asked for.
"""

import contextlib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from serving.errors import InputError, nearest


def resolve(name: str, shipped: Mapping[str, str], *, kind: str, key: str) -> str:
    """The import path behind a name.

    Args:
        name: a shipped name, an announced one, or an import path itself.
        shipped: name -> import path.
        kind: of what is named, in the plural: `models`, `tasks`; the entry points' group.
        key: the setting that names it, for messages.

    Returns:
        `package.module:attribute`.

    Raises:
        InputError: an unknown name.
    """
    if name in shipped:
        return shipped[name]
    if ":" in name:
        return name
    announced = {
        point.name: point.value for point in metadata.entry_points(group=f"pawlens.{kind}")
    }
    if name in announced:
        return announced[name]
    known = [*shipped, *announced]
    one_of = f"one of {', '.join(known)}, or " if known else ""
    raise InputError(
        key,
        expected=f"{one_of}an import path package.module:attribute",
        found=repr(name),
        todo=nearest(name, known),
    )


def load(path: str, *, key: str) -> Any:
    """What an import path names.

    Args:
        path: `package.module:attribute`.
        key: the setting that names it, for messages.

    Raises:
        InputError: there is no such module or attribute, or the module cannot be imported.
    """
    module, _, attribute = path.partition(":")
    hint = f"does python -c 'import {module}' work? Install it, or put its folder in PYTHONPATH"
    wanted = "an import path package.module:attribute that can be imported"
    with calling(path, key, wanted, hint):
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    return found


def load_function(path: str, *, key: str, takes: tuple[str, ...]) -> Any:
    """The same of a function; see `check_function`."""
    found = load(path, key=key)
    check_function(found, path, key=key, takes=takes)
    return found


def check_function(
    found: Any, path: str, *, key: str, takes: tuple[str, ...], own: bool = False
) -> None:
    """Refuses what `load` has found if it cannot be called with the arguments of `takes`.

    They go by position; with `own`, which lets it have others besides, by name.

    Raises:
        InputError: it is no function, or one of other arguments.
    """
    told = f"of type {type(found).__name__}"
    if callable(found):
        try:
            signature = inspect.signature(found)
        except (TypeError, ValueError):  # written in C, it does not tell
            return
        try:
            signature.bind_partial(**dict.fromkeys(takes)) if own else signature.bind(*takes)
            return
        except TypeError:
            told = f"which takes {signature}"
    wanted = f"a function of ({', '.join(takes)}{', ...' if own else ''})"
    raise InputError(key, expected=wanted, found=f"'{path}', {told}")


@contextlib.contextmanager
def calling(path: str, key: str, expected: str, todo: str = "") -> Iterator[None]:
    """Makes an InputError of whatever code from outside raises; one that it tells, stays."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # not our code: anything may come of it
        # Keras puts the whole configuration of what it cannot make before the reason, and behind.
        reason = str(error).rpartition("Exception encountered: ")[2][:400]
        told = f"{type(error).__name__}: {reason}".removesuffix(": ")
        raise InputError(key, expected=expected, found=f"'{path}' ({told})", todo=todo) from error


def module_of(path: str) -> str:
    """The dotted module of an import path: where the code of what it names begins."""
    return path.partition(":")[0]
