"""Keys of the last release, still read: each is told with what to write now."""

import copy
from collections.abc import Callable
from typing import Any

import yaml

from components.tasks import PROBLEMS
from serving.errors import InputError

Tree = dict[str, Any]

_LAYOUTS: dict[str, Tree] = {
    "cats_dogs": {"layout": "auto", "classes": ["cat", "dog"]},
    "pets": {
        "layout": "masks",
        "classes": {"foreground": 1, "background": 2, "contour": 3},
        "min_share": {"foreground": 0.001},
    },
    "blobs": {"layout": "points", "classes": ["negative", "positive"]},
}


def _layout(name: str, section: Tree) -> Tree | None:
    new = _LAYOUTS.get(name)
    # A share is told of a class of then; classes of one's own may be others.
    return {"layout": new["layout"]} if new and "classes" in section else new


# (section, old key) -> its type, and the keys of that section that take its place, given value and
# section; None: the value is none of the old ones, and stays.
_RULES: dict[tuple[str, str], tuple[type, Callable[[Any, Tree], Tree | None]]] = {
    ("", "problem"): (str, lambda name, _: {"task": PROBLEMS.get(name, name)}),
    ("data", "layout"): (str, _layout),
    ("trainer", "earlier_stages"): (
        list,
        lambda stages, _: {"stages": [*stages, {}]} if stages else {},
    ),
    ("trainer", "fine_tune"): (
        dict,
        lambda last, _: {"stages": [{"learn": "head"}, {"learn": "top"} | last]} if last else {},
    ),
    ("trainer", "training_step"): (object, lambda *_: {}),
    **{
        (section, "pictures"): (object, lambda count, _: {"images": count})
        for section in ("interpreter", "infra_validator", "converter", "pusher.live_check")
    },
}
_KINDS: dict[type, str] = {str: "a text", list: "a list of stages", dict: "a section"}


def rewrite(tree: Tree) -> tuple[Tree, list[str]]:
    """Puts the keys of now in place of old ones.

    Args:
        tree: a configuration as read; stays as it is.

    Returns:
        The configuration, and a line for each old key; beside a new one it does not count.

    Raises:
        InputError: a value that an old key could not have.
    """
    tree = copy.deepcopy(tree)
    told: list[str] = []
    for (path, key), (kind, rule) in _RULES.items():
        section = _section(tree, path)
        if section is None or key not in section:
            continue
        value, where = section[key], f"{path}.{key}".lstrip(".")
        if not isinstance(value, kind | None):
            raise InputError(where, expected=_KINDS[kind], found=repr(value))
        new = rule(value, section)
        if new is None:
            continue
        del section[key]
        beside = [name for name in new if name in section]
        section.update({name: new[name] for name in new if name not in section})
        if beside and len(beside) == len(new):
            told.append(f"{where} does not count beside {', '.join(beside)}; leave {key} out")
        else:
            told.append(f"{where} is read for this release only; {_advice(path, new)}")
    return tree, told


def _advice(path: str, new: Tree) -> str:
    if not new:
        return "leave it out"
    text = yaml.safe_dump(new, default_flow_style=True, sort_keys=False, width=1_000_000).strip()
    return f"write {text[1:-1]}" + (f" in section {path}" if path else "")


def _section(tree: Tree, path: str) -> Tree | None:
    found: Any = tree
    for name in filter(None, path.split(".")):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
