"""What can be said of `keras.applications` without importing Keras."""

import importlib.util
import re
from pathlib import Path

from serving.errors import InputError, nearest

PREFIX = "keras.applications."
FINE_TUNED_SHARE = 0.2  # of a backbone's layers, the last ones: see `ModelSpec.fine_tune_from`


def names() -> list[str]:
    """The backbones that the installed Keras brings, as its public package lists them."""
    package = importlib.util.find_spec("keras")
    assert package and package.origin, "Keras is a dependency"
    listed = Path(package.origin).parent / "applications" / "__init__.py"
    return re.findall(r" as ([A-Z]\w+),?$", listed.read_text(encoding="utf-8"), re.MULTILINE)


def check_name(name: str, key: str) -> None:
    """Refuses what is no backbone of the installed Keras.

    Args:
        name: `keras.applications.<backbone>`.
        key: the setting that names it.

    Raises:
        InputError: there is none of that name.
    """
    known = [PREFIX + one for one in names()]
    if name not in known:
        raise InputError(
            key,
            expected=f"a backbone of {PREFIX[:-1]}",
            found=repr(name),
            todo=nearest(name, known),
        )
