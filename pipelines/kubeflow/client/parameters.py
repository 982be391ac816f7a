"""A run's parameters: from the command line to the types that the pipeline declares."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from serving.errors import InputError, check_one_of

FLAG = "--param"
# What a value of each of KFP's types looks like.
EXPECTED = {
    "STRING": "a text",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a list in JSON",
    "STRUCT": "an object in JSON",
}


def read_parameters(
    texts: Iterable[str], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Reads `NAME=VALUE` for the parameters of a pipeline.

    Args:
        texts: as on the command line.
        declared: by name, `parameterType` (one of EXPECTED) and, if there is one, `defaultValue`;
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
    value: Any = None
    if kind == "STRING":
        return text
    if kind == "NUMBER_INTEGER":
        value = int(text) if re.fullmatch(r"[-+]?[0-9]{1,18}", text) else None
    elif kind == "BOOLEAN":
        value = {"true": True, "false": False}.get(text.lower())
    else:
        value = _json(text, {"LIST": (list,), "STRUCT": (dict,)}.get(kind, (int, float)))
    if value is None:
        raise InputError(f"{FLAG} {name}", expected=EXPECTED[kind], found=f"'{text}'")
    return value


def _json(text: str, types: tuple[type, ...]) -> Any:
    """The value of a text in JSON; None if it is of none of the types."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    right = isinstance(value, types) and not isinstance(value, bool)
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if right and finite else None
