"""TensorFlow Serving's configurations, from files that flags name or a call, read and checked."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message
from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelServerConfig,
    ModelType,
)

from serving.errors import InputError
from serving.server.faults import Fault, failed_precondition, invalid
from serving.wire.messages_pb2 import MonitoringConfig, SSLConfig

M = TypeVar("M", bound=Message)

PLATFORM = "tensorflow"

# Names for versions, like `stable` and `canary`: by model, version by label.
Labels = Mapping[str, Mapping[str, int]]


def read_text_proto(flag: str, path: Path, message: M) -> M:
    """Fills a message from a file; an InputError tells the line and field that are wrong."""
    what, kind = f"{flag} {path}", message.DESCRIPTOR.name
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), message)
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(what, expected="a readable file", found=found.lower()) from error
    except UnicodeDecodeError as error:
        raise InputError(what, expected=f"a {kind} as text", found="binary data") from error
    except text_format.ParseError as error:
        expected = f"a {kind} in protobuf's text form"
        raise InputError(what, expected=expected, found=str(error)) from error


def check_ssl_config(what: str, config: SSLConfig) -> None:
    """Refuses keys, certificates and authorities that are missing or no PEM; `what` names them."""
    for name in ("server_key", "server_cert", "custom_ca"):
        value = getattr(config, name)
        needed = name != "custom_ca" or config.client_verify
        if "-----BEGIN " not in value and (value or needed):
            is_path = value and Path(value).exists()
            raise InputError(
                f"{what}: {name}",
                expected="a PEM text, with -----BEGIN",
                found="something else" if value else "none",
                todo="put the key's content there, not its path" if is_path else "",
            )


def check_monitoring_config(what: str, config: MonitoringConfig) -> None:
    """Refuses a path of the metrics that is none; `what` names its file."""
    where = config.prometheus_config.path
    if where and not where.startswith("/"):
        expected = "a path that begins with /"
        raise InputError(f"{what}: path", expected=expected, found=repr(where))


def channel_arguments(text: str) -> dict[str, int | str]:
    """Splits --grpc_channel_arguments: values by key; what is a whole number becomes one."""
    pairs: dict[str, int | str] = {}
    for part in text.split(",") if text else []:
        key, _, value = map(str.strip, part.partition("="))
        if not key or not value:
            raise InputError(
                "--grpc_channel_arguments",
                expected="KEY=VALUE,KEY=VALUE like grpc.max_connection_age_ms=2000",
                found=repr(part),
            )
        pairs[key] = value
        with contextlib.suppress(ValueError):
            pairs[key] = int(value)
    return pairs


def single_model(name: str, base_path: str) -> ModelServerConfig:
    """The configuration of one model that --model_name and --model_base_path describe."""
    config = ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
    return config


def read_config(path: Path) -> ModelServerConfig:
    """Reads and checks the text form of a ModelServerConfig; an InputError if it is wrong.

    An empty file is one of no models, as in TensorFlow Serving: they may come later.
    """
    config = read_text_proto("--model_config_file", path, ModelServerConfig())
    try:
        check_config(config)
    except Fault as fault:
        raise InputError(f"--model_config_file {path}: {fault.details}") from fault
    return config


def check_config(config: ModelServerConfig) -> None:
    """Checks what can be told from the configuration and its folders; INVALID_ARGUMENT if wrong."""
    if config.WhichOneof("config") == "custom_model_config":
        raise invalid("custom_model_config is not supported; only model_config_list is")
    seen: set[str] = set()
    for model in config.model_config_list.config:
        if not model.name:
            raise invalid("a model in the config list has no name")
        if model.name in seen:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
        _check_model(model)


def _check_model(model: ModelConfig) -> None:
    typed = model.model_type != ModelType.MODEL_TYPE_UNSPECIFIED
    base = Path(model.base_path)
    where = f"model {model.name}: base_path"
    fields = "ModelServerConfig::model_type (deprecated)", "ModelServerConfig::model_platform."
    mistakes = (
        (typed and model.model_platform, f"Illegal setting both {' and '.join(fields)}"),
        (
            model.model_type == ModelType.OTHER,
            f"ModelServerConfig::model_type choice {model.model_type} not supported.",
        ),
        (not typed and not model.model_platform, f"Illegal setting neither {' nor '.join(fields)}"),
        (
            model.model_platform not in ("", PLATFORM),
            f"model {model.name}: model_platform: expected {PLATFORM},"
            f" found {model.model_platform}",
        ),
        (not model.base_path, f"{where} is missing"),
        (
            "://" in model.base_path,
            f"{where}: expected a folder of this machine, found {model.base_path};"
            " object stores are for TensorFlow Serving itself",
        ),
        (
            not base.is_absolute(),
            f"Expected model {model.name} to have an absolute path or URI;"
            f" got base_path()={model.base_path}",
        ),
        (not base.is_dir(), f"Could not find base path {base} for servable {model.name}"),
    )
    for wrong, message in mistakes:
        if wrong:
            raise invalid(message)


def assigned_labels(
    config: ModelServerConfig,
    known: Labels,
    live: Callable[[str], list[int]],
    *,
    allow_unavailable: bool,
) -> Labels:
    """The labels of a configuration, by TensorFlow Serving's rules.

    Args:
        config: the new configuration.
        known: the labels so far.
        live: model -> its versions that are live before the change: a label may point to those.
        allow_unavailable: whether a label that is new, or stays, may point to any version.

    Raises:
        Fault: FAILED_PRECONDITION: a label points to a version that it may not.
    """
    labels = {}
    for model in config.model_config_list.config:
        available = live(model.name)
        before = known.get(model.name, {})
        for label, version in model.version_labels.items():
            stays_or_new = before.get(label, version) == version
            if version not in available and not (allow_unavailable and stays_or_new):
                raise failed_precondition(
                    f"Request to assign label to version {version} of model {model.name},"
                    " which is not currently available for inference"
                )
        labels[model.name] = dict(model.version_labels)
    return labels
