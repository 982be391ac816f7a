"""Reads the files that flags name: TensorFlow Serving's messages in protobuf's text form."""

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from serving.errors import InputError
from serving.wire.config_pb2 import BatchingParameters, MonitoringConfig, SSLConfig

M = TypeVar("M", bound=Message)


def read_text_proto(flag: str, path: Path, message: M) -> M:
    """Fills a message from a file.

    Args:
        flag: who named the file, for the error.
        path: the file.
        message: an empty message of the type wanted.

    Returns:
        The message.

    Raises:
        InputError: the file cannot be read, or is no such message; tells line and field.
    """
    what, kind = f"{flag} {path}", message.DESCRIPTOR.name
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), message)
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(what, expected="a readable file", found=found.lower()) from error
    except UnicodeDecodeError as error:
        raise InputError(what, expected=f"a {kind} as text", found="binary data") from error
    except text_format.ParseError as error:
        raise InputError(
            what, expected=f"a {kind} in protobuf's text form", found=str(error)
        ) from error


def read_ssl_config(path: Path) -> SSLConfig:
    """Reads --ssl_config_file.

    Raises:
        InputError: as `read_text_proto`; or key, certificate or authority is missing or no PEM.
    """
    flag = "--ssl_config_file"
    config = read_text_proto(flag, path, SSLConfig())
    needed = ["server_key", "server_cert"] + ["custom_ca"] * config.client_verify
    for name in needed:
        if not getattr(config, name):
            raise InputError(f"{flag} {path}", expected=f"{name}: a PEM text", found="none")
    for name in ("server_key", "server_cert", "custom_ca"):
        value = getattr(config, name)
        if value and "-----BEGIN " not in value:
            raise InputError(
                f"{flag} {path}: {name}",
                expected="a PEM text, with -----BEGIN",
                found="something else",
                todo="put the key's content there, not its path" if Path(value).exists() else "",
            )
    return config


def read_monitoring_config(path: Path) -> MonitoringConfig:
    """Reads --monitoring_config_file.

    Raises:
        InputError: as `read_text_proto`; or the metrics' path is no path.
    """
    flag = "--monitoring_config_file"
    config = read_text_proto(flag, path, MonitoringConfig())
    where = config.prometheus_config.path
    if where and not where.startswith("/"):
        raise InputError(
            f"{flag} {path}: path", expected="a path that begins with /", found=repr(where)
        )
    return config


def read_batching_parameters(path: Path) -> BatchingParameters:
    """Reads --batching_parameters_file.

    Raises:
        InputError: as `read_text_proto`.
    """
    return read_text_proto("--batching_parameters_file", path, BatchingParameters())


def channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    """Splits --grpc_channel_arguments.

    Args:
        text: `KEY=VALUE,KEY=VALUE`; empty: none.

    Returns:
        Keys and values in the given order; a value that is a whole number becomes one.

    Raises:
        InputError: a part is not KEY=VALUE.
    """
    pairs: list[tuple[str, int | str]] = []
    for part in text.split(",") if text else []:
        key, equals, value = part.partition("=")
        if not key.strip() or not equals or not value.strip():
            raise InputError(
                "--grpc_channel_arguments",
                expected="KEY=VALUE,KEY=VALUE like grpc.max_connection_age_ms=2000",
                found=repr(part),
            )
        pairs.append((key.strip(), _number_or_text(value.strip())))
    return tuple(pairs)


def _number_or_text(value: str) -> int | str:
    try:
        return int(value)
    except ValueError:
        return value
