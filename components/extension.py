"""Names in a configuration that stand for code: shipped ones, entry points, import paths.

`package.module:attribute` names anything; a package may also announce what it brings under an entry
point of the group `pawlens.<kind>`, such as `pawlens.models`. Light: nothing is imported before it
is asked for.
"""

import importlib
from collections.abc import Mapping
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
    raise InputError(
        key,
        expected=f"one of {', '.join(known)}, or an import path package.module:attribute",
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
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise InputError(
            key,
            expected="an import path package.module:attribute that can be imported",
            found=f"'{path}' ({type(error).__name__}: {error})",
            todo="is the package installed, or its folder in PYTHONPATH?",
        ) from error
    return found


def module_of(path: str) -> str:
    """The dotted module of an import path: where the code of what it names begins."""
    return path.partition(":")[0]
