"""Reads the files that flags name: TensorFlow Serving's messages in protobuf's text form."""

import contextlib
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from serving.errors import InputError
from serving.wire.messages_pb2 import MonitoringConfig, SSLConfig

M = TypeVar("M", bound=Message)


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
        raise InputError(
            what, expected=f"a {kind} in protobuf's text form", found=str(error)
        ) from error


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
        key, equals, value = part.partition("=")
        if not key.strip() or not equals or not value.strip():
            raise InputError(
                "--grpc_channel_arguments",
                expected="KEY=VALUE,KEY=VALUE like grpc.max_connection_age_ms=2000",
                found=repr(part),
            )
        pairs[key.strip()] = value.strip()
        with contextlib.suppress(ValueError):
            pairs[key.strip()] = int(value)
    return pairs
