"""From the values of the flags to what the server is to do."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from serving.errors import InputError
from serving.server import config_files
from serving.server.batching_parameters import BatchingParameters
from serving.server.model_config import read_config, single_model
from serving.server.options import ServerOptions
from serving.stores.versions import list_versions
from serving.wire.config_pb2 import BatchingParameters as BatchingFile
from serving.wire.config_pb2 import MonitoringConfig

_MOST_SECONDS = 10**8  # three years; locks cannot wait for ever
_TODO = "pawlens run pushes models to WORKDIR/serving/<model name>"


def make_options(flags: argparse.Namespace) -> ServerOptions:
    """Checks the values of the flags and reads the files that they name.

    Args:
        flags: one attribute a flag.

    Raises:
        InputError: a value out of range, values that do not go together, a file that cannot be
            used.
    """
    _check(flags)

    def read(name: str, reader: Callable[[Path], Any]) -> Any:
        text = getattr(flags, name)
        return reader(Path(text).expanduser()) if text else None

    values: dict[str, Any] = {one.name: vars(flags).get(one.name) for one in fields(ServerOptions)}
    values["model_config_file"] = Path(flags.model_config_file).expanduser()
    values["config"] = read("model_config_file", read_config)
    if values["config"] is None:
        values["config"] = single_model(flags.model_name, str(_base_path(flags.model_base_path)))
        values["model_config_file"] = None
    parameters = read("batching_parameters_file", config_files.read_batching_parameters)
    values |= {
        "grpc_channel_arguments": config_files.channel_arguments(flags.grpc_channel_arguments),
        "grpc_max_threads": flags.grpc_max_threads or None,
        "rest_api_port": {0: None, -1: 0}.get(flags.rest_api_port, flags.rest_api_port),
        "rest_api_num_threads": flags.rest_api_num_threads or None,
        "rest_api_timeout_seconds": flags.rest_api_timeout_in_ms / 1000,
        "load_retry_interval_seconds": max(flags.load_retry_interval_micros, 0) / 1e6,
        "num_request_iterations_for_warmup": flags.num_request_iterations_for_warmup or 1,
        "batching": BatchingParameters.from_proto(parameters or BatchingFile())
        if flags.enable_batching
        else None,
        "ssl": read("ssl_config_file", config_files.read_ssl_config),
        "monitoring": read("monitoring_config_file", config_files.read_monitoring_config)
        or MonitoringConfig(),
    }
    return ServerOptions(**values)


def _check(flags: argparse.Namespace) -> None:
    _check_range(flags, "port", 0, 65535)
    _check_range(flags, "rest_api_port", -1, 65535)
    if flags.port and flags.port == flags.rest_api_port:
        found = f"{flags.port} for both"
        raise InputError("--rest_api_port", expected="another port than --port", found=found)
    _check_range(flags, "rest_api_timeout_in_ms", 1, 1000 * _MOST_SECONDS)
    _check_range(flags, "grpc_max_threads", 0)
    _check_range(flags, "rest_api_num_threads", 0)
    _check_range(flags, "model_config_file_poll_wait_seconds", 0, _MOST_SECONDS)
    _check_range(flags, "file_system_poll_wait_seconds", 0, _MOST_SECONDS)
    _check_range(flags, "shutdown_grace_seconds", 0, _MOST_SECONDS)
    _check_range(flags, "max_num_load_retries", 0)
    _check_range(flags, "num_request_iterations_for_warmup", 0)
    _check_range(flags, "request_log_sampling_rate", 0, 1)
    if not flags.model_name:
        raise InputError("--model_name", expected="a name", found="an empty text")
    if flags.batching_parameters_file and not flags.enable_batching:
        raise InputError(
            "--batching_parameters_file",
            expected="--enable_batching=true beside it",
            found="--enable_batching=false",
        )


def _check_range(
    flags: argparse.Namespace, name: str, least: float, most: float | None = None
) -> None:
    value = getattr(flags, name)
    # Written so that a NaN is refused as well.
    if not (value >= least and (most is None or value <= most)):
        expected = f"{least} or more" if most is None else f"{least} to {most}"
        raise InputError(f"--{name}", expected=expected, found=str(value))


def _base_path(text: str) -> Path:
    if not text:
        raise InputError(
            "serve",
            expected="--model_base_path or --model_config_file",
            found="neither",
            todo=_TODO,
        )
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
