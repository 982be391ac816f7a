"""Keys of the last release, still read: each is told with what to write now."""

from collections.abc import Callable, Mapping
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


_KINDS: dict[type, str] = {str: "text", list: "list", dict: "section"}


def _of(key: str, section: Tree, kind: type, now: str) -> Any:
    """The old value, None included.

    Raises:
        InputError: it was not valid then, either.
    """
    value = section[key.rpartition(".")[2]]
    if not isinstance(value, kind | None):
        told = f"a {_KINDS[kind]}, as in the last release"
        raise InputError(key, expected=told, found=repr(value), todo=f"write {now} instead")
    return value


def _problem(tree: Tree) -> Tree:
    name = _of("problem", tree, str, "task: NAME")
    return {"task": PROBLEMS.get(name, name)}


def _layout(section: Tree) -> Tree | None:
    name = section["layout"]
    new = _LAYOUTS.get(name) if isinstance(name, str) else None
    # A share is told of a class of then; classes of one's own may be others.
    return {"layout": new["layout"]} if new and "classes" in section else new


def _earlier(section: Tree) -> Tree:
    earlier = _of("trainer.earlier_stages", section, list, "trainer.stages")
    return {"stages": [*earlier, {}]} if earlier else {}


def _fine_tune(section: Tree) -> Tree:
    stage = _of("trainer.fine_tune", section, dict, "trainer.stages")
    return {"stages": [{"learn": "head"}, {"learn": "top"} | stage]} if stage else {}


# (section, old key) -> the keys of that section that take its place, given the section; None: the
# value is none of the old ones, and stays.
_RULES: dict[tuple[str, str], Callable[[Tree], Tree | None]] = {
    ("", "problem"): _problem,
    ("data", "layout"): _layout,
    ("trainer", "earlier_stages"): _earlier,
    ("trainer", "fine_tune"): _fine_tune,
    ("trainer", "training_step"): lambda section: {},
    **{
        (section, "pictures"): lambda section: {"images": section["pictures"]}
        for section in ("interpreter", "infra_validator", "converter", "pusher.live_check")
    },
}


def rewrite(tree: Tree) -> tuple[Tree, list[str]]:
    """Puts the keys of now in place of old ones.

    Args:
        tree: a configuration as read; stays as it is.

    Returns:
        The configuration, and a line for each old key; beside a new one it does not count.

    Raises:
        InputError: a value that an old key could not have.
    """
    told: list[str] = []
    for (path, key), rule in _RULES.items():
        section = _section(tree, path)
        if section is None or key not in section:
            continue
        new = rule(section)
        if new is None:
            continue
        kept = {name: value for name, value in section.items() if name != key}
        beside = [name for name in new if name in kept]
        tree = _with_section(tree, path, new | kept)
        where = f"{path}.{key}".lstrip(".")
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


def _section(tree: Mapping[str, Any], path: str) -> Tree | None:
    found: Any = tree
    for name in filter(None, path.split(".")):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _with_section(tree: Tree, path: str, section: Tree) -> Tree:
    if not path:
        return section
    name, _, rest = path.partition(".")
    return tree | {name: _with_section(tree[name], rest, section)}
