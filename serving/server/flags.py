"""The command line: TensorFlow Serving's flags, names and defaults, and a few of ours."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from serving.errors import InputError, nearest
from serving.server.flag_values import make_options
from serving.server.options import ServerOptions


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"serve: {message}", todo="--help lists the flags")


def parse_flags(argv: Sequence[str]) -> ServerOptions:
    """Reads the flags and the files that they name.

    Args:
        argv: `--flag=value` or `--flag value`; of a boolean also `--flag` alone. The last one of
            several counts. An empty value is as none.

    Returns:
        The options, checked.

    Raises:
        InputError: an unknown flag, a wrong value, a file that cannot be used.
        SystemExit: after --help and --version.
    """
    parser = _parser()
    flags, unknown = parser.parse_known_args(argv)
    if unknown:
        name = unknown[0].partition("=")[0]
        what = "unknown flag" if name.startswith("-") else "unexpected argument"
        raise InputError(f"serve: {what} {name}", todo=_hint(parser, name))
    return make_options(flags)


def _hint(parser: argparse.ArgumentParser, name: str) -> str:
    known = [action.option_strings[0][2:] for action in parser._actions]
    hint = nearest(name[2:], known) if name.startswith("--") else ""
    return hint.replace("'", "'--", 1) or "--help lists the flags"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pawlens serve",
        description="Serve models over TensorFlow Serving's gRPC and REST API.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version_text())
    for add in (_add_ports, _add_models, _add_running, _add_ours):
        add(parser)
    return parser


def _add_ports(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it listens")
    group.add_argument("--port", type=int, default=8500, help="gRPC port; 0: any free one")
    group.add_argument("--grpc_socket_path", default="", help="also listen on this Unix socket")
    group.add_argument(
        "--grpc_channel_arguments", default="", help="KEY=VALUE,... for the gRPC server"
    )
    group.add_argument("--grpc_max_threads", type=int, default=0, help="0: by the cores")
    group.add_argument("--ssl_config_file", default="", help="SSLConfig: TLS on the gRPC port")
    group.add_argument(
        "--rest_api_port", type=int, default=0, help="REST port; 0: no REST; -1: any free one"
    )
    group.add_argument("--rest_api_num_threads", type=int, default=0, help="0: by the cores")
    group.add_argument("--rest_api_timeout_in_ms", type=int, default=30000, help="of a request")
    _add_boolean(group, "--rest_api_enable_cors_support", False, "let pages from elsewhere call")


def _add_models(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it serves")
    group.add_argument("--model_name", default="default", help="name that clients ask for")
    group.add_argument("--model_base_path", default="", help="folder above the versions")
    group.add_argument(
        "--model_config_file",
        default="",
        help="ModelServerConfig: several models, policies, labels; instead of the two above",
    )
    group.add_argument(
        "--model_config_file_poll_wait_seconds",
        type=float,
        default=0.0,
        help="seconds between looks at that file; 0: look once",
    )
    group.add_argument(
        "--file_system_poll_wait_seconds",
        type=float,
        default=1.0,
        help="seconds between looks for other versions; 0: look once",
    )
    group.add_argument(
        "--max_num_load_retries",
        type=int,
        default=5,
        help="how often a version that does not load is tried again while the server runs",
    )
    group.add_argument(
        "--load_retry_interval_micros",
        type=int,
        default=60_000_000,
        help="microseconds between such tries; negative: no wait",
    )
    _add_boolean(
        group,
        "--allow_version_labels_for_unavailable_models",
        False,
        "let a new label point to a version that is not live",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it runs them")
    _add_boolean(group, "--enable_batching", False, "run concurrent requests together")
    group.add_argument("--batching_parameters_file", default="", help="BatchingParameters")
    _add_boolean(group, "--enable_model_warmup", True, "replay a version's recorded requests first")
    group.add_argument(
        "--num_request_iterations_for_warmup", type=int, default=0, help="how often; 0: once"
    )
    group.add_argument("--monitoring_config_file", default="", help="MonitoringConfig: metrics")
    _add_boolean(
        group, "--enable_serialization_as_tensor_content", False, "answer in tensor_content"
    )


def _add_ours(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("beyond TensorFlow Serving")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on")
    group.add_argument("--access_log", default="stderr", help="stderr, off or a file")
    group.add_argument(
        "--request_log", default="", help="keep requests in PREFIX.jsonl", metavar="PREFIX"
    )
    group.add_argument(
        "--request_log_sampling_rate", type=float, default=1.0, help="fraction kept, 0 to 1"
    )
    _add_boolean(group, "--request_log_with_bytes", False, "keep pictures, not only hashes")
    group.add_argument(
        "--shutdown_grace_seconds",
        type=float,
        default=25.0,
        help="time for running requests to finish once a stop was asked for",
    )
    _add_boolean(group, "--stop_with_stdin", False, "stop when standard input ends")


def _add_boolean(group: Any, name: str, default: bool, what: str) -> None:
    group.add_argument(
        name, nargs="?", type=_boolean, const=True, default=default, metavar="true|false", help=what
    )


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false, found '{text}'")
    return values[text.lower()]


def _version_text() -> str:
    from importlib.metadata import version

    return f"pawlens {version('pawlens')}, TensorFlow {version('tensorflow')}"
