"""What the server was asked to be: each of TensorFlow Serving's flags, and a few of ours."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from functools import partial
from typing import Any

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.batching_parameters import BatchingParameters
from serving.wire.messages_pb2 import MonitoringConfig, SSLConfig

_MOST_SECONDS = 10**8  # three years; locks cannot wait for ever


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

    port: int = _ports(8500, "gRPC port; 0: any free one", 0, 65535)
    grpc_socket_path: str = _ports("", "also listen on this Unix socket")
    grpc_channel_arguments: str = _ports("", "KEY=VALUE,... for the gRPC server")
    grpc_max_threads: int = _ports(0, "requests answered at a time; 0: by the cores", 0)
    ssl_config_file: str = _ports("", "SSLConfig: TLS on the gRPC port")
    rest_api_port: int = _ports(0, "REST port; 0: no REST; -1: any free one", -1, 65535)
    rest_api_num_threads: int = _ports(0, "requests answered at a time; 0: by the cores", 0)
    rest_api_timeout_in_ms: int = _ports(30000, "of a request", 1, 1000 * _MOST_SECONDS)
    rest_api_enable_cors_support: bool = _ports(False, "let pages from elsewhere call")

    model_name: str = _models("default", "name that clients ask for")
    model_base_path: str = _models("", "folder above the versions")
    model_config_file: str = _models(
        "", "ModelServerConfig: several models, policies, labels; instead of the two above"
    )
    model_config_file_poll_wait_seconds: float = _models(
        0.0, "seconds between looks at that file; 0: look once", 0, _MOST_SECONDS
    )
    file_system_poll_wait_seconds: float = _models(
        1.0, "seconds between looks for other versions; 0: look once", 0, _MOST_SECONDS
    )
    max_num_load_retries: int = _models(
        5, "how often a version that does not load is tried again while the server runs", 0
    )
    load_retry_interval_micros: int = _models(
        60_000_000, "microseconds between such tries; negative: no wait"
    )
    allow_version_labels_for_unavailable_models: bool = _models(
        False, "let a new label point to a version that is not live"
    )

    enable_batching: bool = _runs(False, "run concurrent requests together")
    batching_parameters_file: str = _runs("", "BatchingParameters")
    enable_model_warmup: bool = _runs(True, "replay a version's recorded requests first")
    num_request_iterations_for_warmup: int = _runs(0, "how often; 0: once", 0)
    monitoring_config_file: str = _runs("", "MonitoringConfig: metrics")
    enable_serialization_as_tensor_content: bool = _runs(False, "answer in tensor_content")

    host: str = _ours("127.0.0.1", "address to listen on")
    access_log: str = _ours("stderr", "stderr, off or a file")
    request_log: str = _ours("", "keep requests in <this>.jsonl")
    request_log_sampling_rate: float = _ours(1.0, "fraction kept, 0 to 1", 0, 1)
    request_log_with_bytes: bool = _ours(False, "keep images, not only hashes")
    shutdown_grace_seconds: float = _ours(
        25.0, "time for running requests to finish once a stop was asked for", 0, _MOST_SECONDS
    )
    stop_with_stdin: bool = _ours(False, "stop when standard input ends")


def flags() -> Iterator[Field[Any]]:
    """The fields that are flags; their metadata: group, meaning, least, most."""
    return (one for one in fields(ServerOptions) if one.metadata)
