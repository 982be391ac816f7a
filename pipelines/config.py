"""Reads a pipeline's configuration once, at the door.

A YAML file is one pipeline. `load_config` reads a shipped one by name or any by path, applies
`--set key=value` and answers every mistake with one line that names the key.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from components.settings import expected_by
from pipelines.logs import libraries_silent
from pipelines.sections import PipelineConfig
from serving.errors import InputError, Mistakes, check_one_of, nearest

CONFIG_FOLDER = Path(__file__).parent / "configs"


# How pydantic names, inside of a key, the kinds that a value may be of.
_KIND = re.compile(r"\[key\]|str|int|float|bool|(list|dict|literal)\[.*|constrained-.*")


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are those of YAML 1.2: PyYAML takes 1e-3, without a dot, for a text.

    A key that stands twice is refused, where PyYAML forgets its first value.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it is written."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = [value for place, (tag, value) in enumerate(keys) if (tag, value) in keys[:place]]
        if twice:
            line = node.start_mark.line + 1
            raise yaml.YAMLError(
                f"the key '{twice[0]}' twice in the mapping that begins in line {line}"
            )
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the project."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))


def load_config(
    name_or_path: str, sets: tuple[str, ...] | list[str] = (), data: str | None = None
) -> PipelineConfig:
    """Reads and validates a configuration.

    Args:
        name_or_path: a shipped name or the path of a YAML file.
        sets: `a.b=value` overrides, the value in YAML.
        data: overrides `data.path`.

    Raises:
        InputError: a mistake, told in one line; of several, `Mistakes`.
    """
    path = _find(name_or_path)
    tree = _read_yaml(path)
    for assignment in sets:
        _assign(tree, *_read_assignment(assignment))
    if data is not None:
        _assign(tree, "data.path", data)
    try:
        with libraries_silent():  # a model from outside brings Keras along
            return PipelineConfig.model_validate(tree)
    except ValidationError as error:
        mistakes = list(_mistakes(error, path.name))
        raise (mistakes[0] if len(mistakes) == 1 else Mistakes(mistakes)) from error


def check_data_path(config: PipelineConfig) -> Path:
    """The data folder, absolute.

    Raises:
        InputError: none is configured, or it is not there.
    """
    hint = "pass --data DIR (pawlens data synth makes one)"
    if not config.data.path:
        raise InputError("data.path is not set", expected="the folder with the data", todo=hint)
    path = Path(config.data.path).expanduser()
    if not path.is_dir():
        raise InputError(
            "data.path",
            expected="an existing folder",
            found=f"'{config.data.path}', which does not exist" if not path.exists() else "a file",
            todo=hint,
        )
    return path.resolve()


def _find(name_or_path: str) -> Path:
    shipped, path = shipped_configs(), Path(name_or_path)
    if name_or_path not in shipped and path.is_file():
        return path
    check_one_of("config", name_or_path, shipped, of="a YAML file or one of")
    return CONFIG_FOLDER / f"{name_or_path}.yaml"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}", expected="valid YAML", found=str(error)) from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}", expected="a mapping of keys", found=type(tree).__name__)
    return tree


def _read_assignment(assignment: str) -> tuple[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(f"--set {assignment}", expected="key=value, like trainer.epochs=5")
    try:
        return key, yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        found = f"{text} ({error})"
        raise InputError(f"--set {key}", expected="a YAML value", found=found) from error


def _assign(tree: dict[str, Any], key: str, value: Any) -> None:
    node: Any = tree
    *parents, last = key.split(".")
    for name, above in zip(parents, ["", *parents], strict=False):
        place = _place(node, name, key, above)
        if isinstance(node, dict):
            node.setdefault(name, {})
        node = node[place]
    node[_place(node, last, key, parents[-1] if parents else "")] = value


def _place(node: Any, name: str, key: str, above: str) -> str | int:
    """By what a mapping or a list is asked for the next part of a key."""
    if isinstance(node, dict):
        return name
    if not isinstance(node, list):
        raise InputError(f"--set {key}", expected="a section", found=f"a value at '{above}'")
    if not name.isdecimal() or int(name) >= len(node):
        count = f"{len(node)} elements, counted from 0"
        raise InputError(f"--set {key}", expected=f"one of the {count}", found=f"'{name}'")
    return int(name)


def _valid_keys(asked: str, model: type[BaseModel] = PipelineConfig, prefix: str = "") -> list[str]:
    """All keys, dotted; below a mapping of free names, those under the name that was asked for."""
    keys = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        keys.append(key)
        kind = field.annotation
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            free_name = asked.removeprefix(f"{key}.").rpartition(".")[0]
            key = f"{key}.{free_name}"
        for part in (kind, *get_args(kind)):  # an optional section is one of two
            if isinstance(part, type) and issubclass(part, BaseModel):
                keys += _valid_keys(asked, part, f"{key}.")
    return keys


def _mistakes(error: ValidationError, file: str) -> Iterator[InputError]:
    """What pydantic found, and what ours did, a line each."""
    for found in _joined(error.errors()):
        key = ".".join(str(part) for part in found["loc"])
        where = f"{file}: {key}" if key else file
        if found["type"] == "extra_forbidden":
            hint = nearest(key, _valid_keys(key)) or "see docs/configuration.md for the valid keys"
            yield InputError(f"{where}: unknown key", todo=hint)
        elif found["type"] == "value_error":  # ours, whole already
            cause = found["ctx"]["error"]
            for one in cause.errors if isinstance(cause, Mistakes) else [cause]:
                yield InputError(f"{file}: {one}")
        elif found["type"] == "missing":
            yield InputError(f"{where}: missing", expected="a value")
        else:
            value, expected = found["input"], found["expected"]
            untold = "string" in expected and not isinstance(value, str | list | dict)
            hint = "a text such as yes, no, null or 1 stands in quotes" if untold else ""
            yield InputError(where, expected=" or ".join(expected), found=repr(value), todo=hint)


def _joined(errors: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """A mistake for each value that may be of several kinds, where pydantic tells one for each.

    It is the first of those that lie deepest; `expected` is what all of that place would want.
    """
    groups: dict[tuple[Any, ...], list[tuple[list[Any], Any]]] = {}
    for found in errors:
        loc = found["loc"]
        kinds = [number for number, part in enumerate(loc) if _KIND.fullmatch(str(part))]
        place = [part for number, part in enumerate(loc) if number not in kinds]
        groups.setdefault(loc[: kinds[0]] if kinds else loc, []).append((place, found))
    for told in groups.values():
        deepest, first = max(told, key=lambda one: len(one[0]))
        same = [expected_by(found["msg"]) for place, found in told if place == deepest]
        yield first | {"loc": deepest, "expected": list(dict.fromkeys(same))}
