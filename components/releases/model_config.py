"""The file that tells a server which versions to load and what their labels are.

It is TensorFlow Serving's ModelServerConfig (`--model_config_file`). A change keeps what it does
not concern as it was written, other models and comments included, and replaces the file in one
step; pushers on one machine take turns.
"""

import contextlib
import fcntl
import os
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.errors import InputError, os_errors
from serving.stores.files import open_own, write_whole

T = TypeVar("T")

_LIST = "model_config_list"
_CONFIG = "config"
_CHANGED = ("model_version_policy", "version_labels")
_INDENT = "  "
# What may hold marks that are none: comments and strings.
_OPAQUE = re.compile(r"""\#[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.VERBOSE)
_MARK = re.compile(r"(?P<name>\w+)\s*:?\s*[{<] | [}>\[\]]", re.VERBOSE)


@dataclass(frozen=True)
class _Field:
    """A field that holds a message, by its place in the text, from its name to its closing brace.

    The body is what is inside the braces.
    """

    name: str
    start: int
    end: int
    body: tuple[int, int]


class ModelConfigFile:
    """One model's entry in such a file.

    Args:
        path: the file; it need not exist.
        name: the model's name.
    """

    def __init__(self, path: Path, name: str):
        self.path = path.expanduser().resolve()
        self.name = name

    def entry(self) -> ModelConfig | None:
        """The model's entry, or None if it has none.

        Raises:
            InputError: the file cannot be read or is not such a text.
        """
        return _entry(self._read()[1], self.name)

    def existing(self) -> ModelConfig:
        """The model's entry.

        Raises:
            InputError: see `entry`; or there is none.
        """
        return self._existing(self._read()[1])

    def change(self, change: Callable[[ModelConfig], T], base_path: str = "") -> T:
        """Has `change` change the model's entry, under a lock; returns what that returns.

        Where there is none, one of that `base_path` is made.

        Raises:
            InputError: see `entry`; or there is no entry and no `base_path`; or the folder of the
                file cannot be written.
        """
        what = f"model config file {self.path}"
        with os_errors(what, expected="a file to write"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(open_own(self.path.with_name(f".{self.path.name}.lock"))) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                text, config = self._read()
                if base_path and _entry(config, self.name) is None:
                    config.model_config_list.config.add(
                        name=self.name, base_path=base_path, model_platform="tensorflow"
                    )
                entry = self._existing(config)
                result = change(entry)
                write_whole(self.path, _rewritten(text, config, entry).encode(), what)
        return result

    def _existing(self, config: ModelServerConfig) -> ModelConfig:
        entry = _entry(config, self.name)
        if entry is None:
            names = ", ".join(sorted(one.name for one in config.model_config_list.config))
            what = f"model config file {self.path}: no model '{self.name}'"
            todo = (
                "" if names else "is it the server's? pawlens run adds a model when it pushes one"
            )
            expected = f"one of {names}" if names else "an entry for it"
            raise InputError(what, expected=expected, found="" if names else "no model", todo=todo)
        return entry

    def _read(self) -> tuple[str, ModelServerConfig]:
        expected = "a text file"
        try:
            text = self.path.read_text(encoding="utf-8")
            expected = "TensorFlow Serving's ModelServerConfig in text form"
            return text, text_format.Parse(text, ModelServerConfig())
        except FileNotFoundError:
            return "", ModelServerConfig()
        except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
            what = f"model config file {self.path}"
            raise InputError(what, expected=expected, found=str(error)) from error


def _entry(config: ModelServerConfig, name: str) -> ModelConfig | None:
    return next((one for one in config.model_config_list.config if one.name == name), None)


def _rewritten(text: str, config: ModelServerConfig, entry: ModelConfig) -> str:
    """The text with the entry changed; comments get lost only if its form is an unusual one."""
    with contextlib.suppress(ValueError, text_format.ParseError):
        changed = _spliced(text, entry)
        if text_format.Parse(changed, ModelServerConfig()) == config:
            return changed
    # Written anew, which is right, too.
    return text_format.MessageToString(config)


def _spliced(text: str, entry: ModelConfig) -> str:
    """By the format's outline alone (names, braces, strings, comments): to be parsed again."""
    lists = [field for field in _message_fields(text) if field.name == _LIST]
    for models in lists:
        for model in _message_fields(text, models.body):
            named = text_format.Parse(text[slice(*model.body)], ModelConfig()).name
            if model.name == _CONFIG and named == entry.name:
                return _with_body(text, model, entry)
    if not lists:
        gap = "\n" if text and not text.endswith("\n") else ""
        return f"{text}{gap}{_LIST} {{\n{_block(entry)}}}\n"
    end = lists[-1].body[1]
    gap = "" if text[:end].endswith("\n") else "\n"
    return f"{text[:end]}{gap}{_block(entry)}{text[end:]}"


def _with_body(text: str, model: _Field, entry: ModelConfig) -> str:
    """Only the fields that changed are written anew, at the end of the model's block."""
    fields = [one for one in _message_fields(text, model.body) if one.name in _CHANGED]
    body = _without(text, fields, model.body)
    policy = entry.model_version_policy if entry.HasField("model_version_policy") else None
    part = ModelConfig(version_labels=entry.version_labels, model_version_policy=policy)
    lines = textwrap.indent(text_format.MessageToString(part), _INDENT * 2)
    start, end = model.body
    return f"{text[:start]}{body.rstrip()}\n{lines}{_INDENT}{text[end:]}"


def _block(entry: ModelConfig) -> str:
    lines = textwrap.indent(text_format.MessageToString(entry), _INDENT * 2)
    return f"{_INDENT}{_CONFIG} {{\n{lines}{_INDENT}}}\n"


def _message_fields(text: str, body: tuple[int, int] | None = None) -> list[_Field]:
    """The fields with messages that stand directly in a message, in order.

    Args:
        text: one that the parser takes.
        body: the message's place; None: all of the text.

    Raises:
        ValueError: a list in brackets.
    """
    fields: list[_Field] = []
    opened: list[re.Match[str]] = []
    bare = _OPAQUE.sub(lambda found: " " * len(found[0]), text)
    for mark in _MARK.finditer(bare, *(body or (0, len(text)))):
        if mark["name"]:
            opened.append(mark)
        elif mark[0] in "[]":
            raise ValueError(f"a list at character {mark.start()}")
        else:
            first = opened.pop()
            if not opened:
                inside = first.end(), mark.start()
                fields.append(_Field(first["name"], first.start(), mark.end(), inside))
    return fields


def _without(text: str, fields: list[_Field], body: tuple[int, int]) -> str:
    """A message's text without some of its fields and the blank lines that they would leave."""
    start, stop = body
    kept = []
    for field in fields:
        before = text[start : field.start]
        kept.append(before.rstrip(" \t").removesuffix("\n") if "\n" in before else before)
        start = field.end
    return "".join([*kept, text[start:stop]])
