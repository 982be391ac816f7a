"""The command line: each of TensorFlow Serving's flags, and a few of ours, read and checked."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from google.protobuf.message import Message
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import InputError, nearest
from serving.server.batch_scheduler import BatchingParameters
from serving.server.config_files import (
    channel_arguments,
    check_monitoring_config,
    check_ssl_config,
    read_config,
    read_text_proto,
    single_model,
)
from serving.server.scan import scan
from serving.wire.messages_pb2 import BatchingParameters as BatchingFile
from serving.wire.messages_pb2 import MonitoringConfig, SSLConfig

M = TypeVar("M", bound=Message)

_TODO = "pawlens run pushes models to WORKDIR/serving/<model name>"
_MOST_SECONDS = 10**8  # three years; locks cannot wait for ever

# The other flags of tensorflow_model_server 2.20: taken, with a line in the log.
WITHOUT_EFFECT = """
    enable_grpc_healthcheck_service enable_per_model_batching_parameters enable_profiler
    flush_filesystem_caches mixed_precision num_load_threads num_tflite_interpreters_per_pool
    num_unload_threads platform_config_file
    remove_unused_fields_from_bundle_metagraph skip_initialize_tpu thread_pool_factory_config_file
    xla_cpu_compilation_enabled xla_gpu_compilation_enabled
""".split()  # noqa: SIM905 - a wall of quotes

_OLDER_NAMES = {"prefer_tflite_model": ("use_tflite_model",)}


def _flag(
    group: str, default: Any, meaning: str, least: float | None = None, most: float | None = None
) -> Any:
    """A field that is a flag of its name, of its default's type, within limits."""
    told = {"group": group, "meaning": meaning, "least": least, "most": most}
    return field(default=default, metadata=told)


_ports = partial(_flag, "where it listens")
_models = partial(_flag, "what it serves")
_runs = partial(_flag, "how it runs them")
_ours = partial(_flag, "beyond TensorFlow Serving")


@dataclass(frozen=True)
class ServerOptions:
    """The flags, under their own names and in their own units, and what their files say."""

    config: ModelServerConfig  # the models to serve at the start
    batching: BatchingParameters | None = None  # None: requests run as they come
    ssl: SSLConfig | None = None  # keys of the gRPC port; None: plain text
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    ignored: Sequence[str] = ()  # given flags that change nothing here

    port: int = _ports(8500, "gRPC port; 0: any free one", 0, 65535)
    grpc_socket_path: str = _ports("", "also listen on this Unix socket")
    grpc_channel_arguments: str = _ports("", "KEY=VALUE,... for the gRPC server")
    grpc_max_threads: int = _ports(0, "requests answered at a time; 0: by the cores", 0)
    ssl_config_file: str = _ports("", "SSLConfig: TLS on the gRPC port")
    use_alts_credentials: bool = _ports(False, "Google's ALTS on the gRPC port")
    rest_api_port: int = _ports(0, "REST port; 0: no REST; -1: any free one", -1, 65535)
    rest_api_num_threads: int = _ports(0, "requests answered at a time; 0: by the cores", 0)
    rest_api_timeout_in_ms: int = _ports(30000, "of a request", 1, 1000 * _MOST_SECONDS)
    rest_api_enable_cors_support: bool = _ports(False, "let pages from elsewhere call")

    model_name: str = _models("default", "name that clients ask for")
    model_base_path: str = _models("", "folder above the versions")
    model_config_file: str = _models("", "ModelServerConfig: instead of the two above")
    model_config_file_poll_wait_seconds: float = _models(0.0, "0: look once", 0, _MOST_SECONDS)
    file_system_poll_wait_seconds: float = _models(1.0, "0: look once", 0, _MOST_SECONDS)
    max_num_load_retries: int = _models(5, "tries after the first that fails", 0)
    load_retry_interval_micros: int = _models(60_000_000, "between two tries; negative: no wait")
    saved_model_tags: str = _models("serve", "of the graph in the model, with commas between")
    allow_version_labels_for_unavailable_models: bool = _models(False, "new labels may wait")

    enable_batching: bool = _runs(False, "run concurrent requests together")
    batching_parameters_file: str = _runs("", "BatchingParameters")
    enable_model_warmup: bool = _runs(True, "replay a version's recorded requests first")
    num_request_iterations_for_warmup: int = _runs(0, "how often; 0: once", 0)
    enable_signature_method_name_check: bool = _runs(False, "Predict's are for Predict alone")
    prefer_tflite_model: bool = _runs(False, "model.tflite rather than saved_model.pb")
    num_tflite_pools: int = _runs(0, "requests such a model runs at a time; 0: by the cores", 0)
    tensorflow_session_parallelism: int = _runs(0, "both of the next two; 0: by the cores", 0)
    tensorflow_intra_op_parallelism: int = _runs(0, "threads of an operation", 0)
    tensorflow_inter_op_parallelism: int = _runs(0, "operations at a time", 0)
    tensorflow_session_config_file: str = _runs("", "ConfigProto of TensorFlow's sessions")
    per_process_gpu_memory_fraction: float = _runs(0.0, "of the GPU's; 0: as it is needed", 0, 1)
    monitoring_config_file: str = _runs("", "MonitoringConfig: metrics")
    enable_serialization_as_tensor_content: bool = _runs(False, "answer in tensor_content")

    host: str = _ours("127.0.0.1", "address to listen on")
    max_connections: int = _ours(0, "of each port; 0: by the limit of open files", 0)
    receive_timeout_seconds: float = _ours(30.0, "for a request to arrive", 0.1, _MOST_SECONDS)
    request_memory_mb: int = _ours(1024, "of all requests of a port together", 64)
    max_request_elements: int = _ours(1_000_000, "JSON values or protobuf fields; 0: any", 0)
    enable_reflection: bool = _ours(True, "tell gRPC clients the messages of the services")
    enable_reload_config: bool = _ours(True, "take HandleReloadConfigRequest")
    verify_digest: bool = _ours(True, "load no version whose files are not those of its digest")
    access_log: str = _ours("stderr", "stderr, off or a file")
    file_mode: str = _ours("600", "of new logs and the socket, octal: who may read and write")
    request_log: str = _ours("", "keep requests in <this>.jsonl")
    request_log_sampling_rate: float = _ours(1.0, "fraction kept, 0 to 1", 0, 1)
    request_log_with_bytes: bool = _ours(False, "keep images, not only hashes")
    shutdown_grace_seconds: float = _ours(25.0, "for running requests to end", 0, _MOST_SECONDS)
    stop_with_stdin: bool = _ours(False, "stop when standard input ends")


DEFAULTS = ServerOptions(ModelServerConfig())


def flags() -> Iterator[Field[Any]]:
    """The fields that are flags; their metadata: group, meaning, least, most."""
    return (one for one in fields(ServerOptions) if one.metadata)


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
    known = (*(one.name for one in flags()), *WITHOUT_EFFECT)
    hint = nearest(name[2:], known) if name.startswith("--") else ""
    return hint.replace("'", "'--", 1) or "--help lists the flags"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pawlens serve",
        description="Serve models over TensorFlow Serving's gRPC and REST API.",
        epilog=f"Taken without effect: --{', --'.join(WITHOUT_EFFECT)}.",
        allow_abbrev=False,
    )
    versions = f"pawlens {version('pawlens')}, TensorFlow {version('tensorflow')}"
    parser.add_argument("--version", action="version", version=versions)
    groups: dict[str, Any] = {}
    for flag in flags():
        title = flag.metadata["group"]
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        more: dict[str, Any] = {"type": type(flag.default)}
        if more["type"] is bool:
            more = {"type": _boolean, "nargs": "?", "const": True, "metavar": "true|false"}
        what = flag.metadata["meaning"]
        group.add_argument(f"--{flag.name}", default=flag.default, help=what, **more)
        for older in _OLDER_NAMES.get(flag.name, ()):
            group.add_argument(f"--{older}", dest=flag.name, help=argparse.SUPPRESS, **more)
    more = {"dest": "ignored", "action": "append", "nargs": "?", "default": []}
    for name in WITHOUT_EFFECT:  # whatever the value, what is kept is the name
        more |= {"const": name, "type": lambda _, name=name: name}
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS, **more)
    return parser


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false, found '{text}'")
    return values[text.lower()]


def _check(given: argparse.Namespace) -> None:
    for flag in flags():
        value, least, most = getattr(given, flag.name), *map(flag.metadata.get, ("least", "most"))
        # Written so that a NaN is refused as well.
        if least is not None and not (value >= least and (most is None or value <= most)):
            expected = f"{least} or more" if most is None else f"{least} to {most}"
            raise InputError(f"--{flag.name}", expected=expected, found=str(value))
    if not re.fullmatch("0?[0-7]{3}", given.file_mode):
        raise InputError("--file_mode", expected="octal, like 640", found=given.file_mode)
    threads = given.tensorflow_intra_op_parallelism or given.tensorflow_inter_op_parallelism
    if given.tensorflow_session_parallelism and threads:
        found = "--tensorflow_intra_op_parallelism or --tensorflow_inter_op_parallelism beside it"
        raise InputError("--tensorflow_session_parallelism", expected="that alone", found=found)
    if given.batching_parameters_file and not given.enable_batching:
        expected = "--enable_batching=true beside it"
        raise InputError("--batching_parameters_file", expected=expected, found="none")


def _base_path(text: str) -> Path:
    base = Path(text).expanduser().resolve()
    if not text or not base.is_dir() or not scan(base).whole:
        expected = "a folder above versions, like 1/saved_model.pb (or --model_config_file)"
        raise InputError("--model_base_path", expected=expected, found=f"'{text}'", todo=_TODO)
    return base
