"""A run's parameters: from the command line to the types that the pipeline declares."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from serving.errors import InputError, check_one_of

FLAG = "--param"
# KFP's types: what a value looks like, and what JSON makes of it.
KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "STRING": ("a text", (str,)),
    "NUMBER_INTEGER": ("a whole number", (int,)),
    "NUMBER_DOUBLE": ("a number", (int, float)),
    "BOOLEAN": ("true or false", (bool,)),
    "LIST": ("a list in JSON", (list,)),
    "STRUCT": ("an object in JSON", (dict,)),
}


def read_parameters(
    texts: Iterable[str], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Reads `NAME=VALUE` for the parameters of a pipeline.

    Args:
        texts: as on the command line.
        declared: by name, `parameterType` (one of KINDS) and, if there is one, `defaultValue`;
            the pipeline's `root.inputDefinitions.parameters`.

    Returns:
        What was given, by name; the pipeline's defaults are left to the server.

    Raises:
        InputError: a name that is not declared or comes twice, a value of another type, or nothing
            for a parameter that has no default.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{FLAG} {text}", expected="NAME=VALUE, like epochs=5")
        check_one_of(FLAG, name, declared)
        if name in values:
            raise InputError(f"{FLAG} {name}", expected="it once", found="it twice")
        values[name] = _read(name, value, declared[name]["parameterType"])
    for name, about in declared.items():
        needed = "defaultValue" not in about and not about.get("isOptional")
        if needed and name not in values:
            raise InputError(f"{FLAG} {name}", expected="a value, it has no default", found="none")
    return values


def _read(name: str, text: str, kind: str) -> Any:
    expected, types = KINDS[kind]
    try:
        value = text if kind == "STRING" else json.loads(text, parse_constant=str)
    except ValueError:
        value = None
    if type(value) not in types:
        raise InputError(f"{FLAG} {name}", expected=expected, found=f"'{text}'")
    return value
