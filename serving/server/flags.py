"""The command line: TensorFlow Serving's flags, read and checked with the files that they name."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from google.protobuf.message import Message

from serving.errors import InputError, nearest
from serving.server import options
from serving.server.batching_parameters import BatchingParameters
from serving.server.config_files import (
    channel_arguments,
    check_monitoring_config,
    check_ssl_config,
    read_text_proto,
)
from serving.server.model_config import read_config, single_model
from serving.server.options import ServerOptions
from serving.stores.versions import list_versions
from serving.wire.messages_pb2 import BatchingParameters as BatchingFile
from serving.wire.messages_pb2 import MonitoringConfig, SSLConfig

M = TypeVar("M", bound=Message)

_TODO = "pawlens run pushes models to WORKDIR/serving/<model name>"


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"serve: {message}", todo="--help lists the flags")


def parse_flags(argv: Sequence[str]) -> ServerOptions:
    """Reads the flags and the files that they name.

    Args:
        argv: `--flag=value` or `--flag value`; of a boolean also `--flag` alone. The last one of
            several counts. An empty value is as none.

    Raises:
        InputError: an unknown flag, a wrong value, a file that cannot be used.
        SystemExit: after --help and --version.
    """
    given, unknown = _parser().parse_known_args(argv)
    if unknown:
        name = unknown[0].partition("=")[0]
        what = "unknown flag" if name.startswith("-") else "unexpected argument"
        raise InputError(f"serve: {what} {name}", todo=_hint(name))
    _check(given)

    def read(flag: str, message: M, check: Callable[[str, M], None] | None = None) -> M:
        path = Path(getattr(given, flag)).expanduser()
        if getattr(given, flag):
            read_text_proto(f"--{flag}", path, message)
            if check:
                check(f"--{flag} {path}", message)
        return message

    if given.model_config_file:
        config = read_config(Path(given.model_config_file).expanduser())
    else:
        config = single_model(given.model_name, str(_base_path(given.model_base_path)))
    batching = BatchingParameters.from_proto(read("batching_parameters_file", BatchingFile()))
    ssl = read("ssl_config_file", SSLConfig(), check_ssl_config)
    monitoring = read("monitoring_config_file", MonitoringConfig(), check_monitoring_config)
    channel_arguments(given.grpc_channel_arguments)
    return ServerOptions(
        config,
        batching if given.enable_batching else None,
        ssl if given.ssl_config_file else None,
        monitoring,
        **vars(given),
    )


def _hint(name: str) -> str:
    known = (one.name for one in options.flags())
    hint = nearest(name[2:], known) if name.startswith("--") else ""
    return hint.replace("'", "'--", 1) or "--help lists the flags"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pawlens serve",
        description="Serve models over TensorFlow Serving's gRPC and REST API.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version_text())
    groups: dict[str, Any] = {}
    for flag in options.flags():
        title = flag.metadata["group"]
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        more: dict[str, Any] = {"type": type(flag.default)}
        if more["type"] is bool:
            more = {"type": _boolean, "nargs": "?", "const": True, "metavar": "true|false"}
        what = flag.metadata["meaning"]
        group.add_argument(f"--{flag.name}", default=flag.default, help=what, **more)
    return parser


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false, found '{text}'")
    return values[text.lower()]


def _version_text() -> str:
    from importlib.metadata import version

    return f"pawlens {version('pawlens')}, TensorFlow {version('tensorflow')}"


def _check(given: argparse.Namespace) -> None:
    for flag in options.flags():
        value, least, most = getattr(given, flag.name), *map(flag.metadata.get, ("least", "most"))
        # Written so that a NaN is refused as well.
        if least is not None and not (value >= least and (most is None or value <= most)):
            expected = f"{least} or more" if most is None else f"{least} to {most}"
            raise InputError(f"--{flag.name}", expected=expected, found=str(value))
    if given.port and given.port == given.rest_api_port:
        found = f"{given.port} for both"
        raise InputError("--rest_api_port", expected="another port than --port", found=found)
    if not given.model_name:
        raise InputError("--model_name", expected="a name", found="an empty text")
    if given.batching_parameters_file and not given.enable_batching:
        raise InputError(
            "--batching_parameters_file",
            expected="--enable_batching=true beside it",
            found="--enable_batching=false",
        )


def _base_path(text: str) -> Path:
    if not text:
        expected = "--model_base_path or --model_config_file"
        raise InputError("serve", expected=expected, found="neither", todo=_TODO)
    base = Path(text).expanduser()
    if not base.is_dir():
        found = "a file" if base.exists() else f"'{text}', which does not exist"
        raise InputError(
            "--model_base_path", expected="an existing folder", found=found, todo=_TODO
        )
    if not list_versions(base):
        raise InputError(
            f"--model_base_path {text}",
            expected="folders named by version numbers, like 1/saved_model.pb",
            found="none",
            todo=_TODO,
        )
    return base.resolve()
