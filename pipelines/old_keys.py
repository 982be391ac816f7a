"""Keys of the last release, still read: each is told with what to write now."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from components.tasks import PROBLEMS

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


def _stages(section: Tree) -> Tree:
    """`earlier_stages` and `fine_tune`, which excluded each other."""
    earlier, fine_tune = section.get("earlier_stages"), section.get("fine_tune")
    if earlier:
        return {"stages": [*earlier, {}]}
    return {"stages": [{"learn": "head"}, {"learn": "top"} | fine_tune]} if fine_tune else {}


# (section, old key) -> the keys of that section that take its place, given the section; None: the
# value is none of the old ones, and stays.
_RULES: dict[tuple[str, str], Callable[[Tree], Tree | None]] = {
    ("", "problem"): lambda tree: {"task": PROBLEMS.get(tree["problem"], tree["problem"])},
    ("data", "layout"): lambda section: _LAYOUTS.get(section["layout"]),
    ("trainer", "earlier_stages"): _stages,
    ("trainer", "fine_tune"): _stages,
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
        The configuration, and a line for each old key.
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
        tree = _with_section(tree, path, new | kept)
        where = f"{path}.{key}".lstrip(".")
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
