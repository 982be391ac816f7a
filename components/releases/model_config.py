"""The file that tells a server which versions to load and what their labels are.

It is TensorFlow Serving's ModelServerConfig (`--model_config_file`). A change keeps other models
and fields, not comments, and replaces the file in one step; pushers on one machine take turns.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.errors import InputError, os_errors
from serving.stores.files import open_own, write_whole

T = TypeVar("T")


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
        return _entry(self._read(), self.name)

    def existing(self) -> ModelConfig:
        """The model's entry.

        Raises:
            InputError: see `entry`; or there is none.
        """
        return self._existing(self._read())

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
                config = self._read()
                if base_path and _entry(config, self.name) is None:
                    config.model_config_list.config.add(
                        name=self.name, base_path=base_path, model_platform="tensorflow"
                    )
                entry = self._existing(config)
                result = change(entry)
                write_whole(self.path, text_format.MessageToString(config).encode(), what)
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

    def _read(self) -> ModelServerConfig:
        expected = "a text file"
        try:
            text = self.path.read_text(encoding="utf-8")
            expected = "TensorFlow Serving's ModelServerConfig in text form"
            return text_format.Parse(text, ModelServerConfig())
        except FileNotFoundError:
            return ModelServerConfig()
        except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
            what = f"model config file {self.path}"
            raise InputError(what, expected=expected, found=str(error)) from error


def _entry(config: ModelServerConfig, name: str) -> ModelConfig | None:
    return next((one for one in config.model_config_list.config if one.name == name), None)
