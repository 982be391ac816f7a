"""What the server was asked to be, checked; `flags.py` makes it from the command line."""

from dataclasses import dataclass, field
from pathlib import Path

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.batching_parameters import BatchingParameters
from serving.wire.config_pb2 import MonitoringConfig, SSLConfig


@dataclass(frozen=True)
class ServerOptions:
    """Values of the flags of the same names, unless said otherwise.

    Attributes:
        config: the models to serve at the start.
        host: address that gRPC and REST listen on.
        port: gRPC; 0: any free one.
        grpc_socket_path: a Unix socket that gRPC listens on besides; empty: none.
        grpc_channel_arguments: (key, value) in the order given; numbers as numbers.
        grpc_max_threads: gRPC requests answered at a time; None: by the number of cores.
        rest_api_port: None: no REST; 0: any free one.
        rest_api_num_threads: REST requests answered at a time; None: by the number of cores.
        rest_api_timeout_seconds: a REST request takes no longer.
        rest_api_enable_cors_support: whether pages from elsewhere may call the REST API.
        model_config_file: where `config` was read; None: it was told by flags.
        model_config_file_poll_wait_seconds: between two looks at that file; 0: one look.
        file_system_poll_wait_seconds: between two looks at the base paths; 0: one look.
        max_num_load_retries: tries after the first for a version that does not load.
        load_retry_interval_seconds: between two tries.
        allow_version_labels_for_unavailable_models: whether a new label may point to a version
            that is not live.
        enable_model_warmup: whether recorded requests are replayed before a version goes live.
        num_request_iterations_for_warmup: how often each of them.
        batching: parameters of batching; None: requests run as they come.
        ssl: keys of the gRPC port; None: plain text.
        monitoring: whether and where metrics are told.
        enable_serialization_as_tensor_content: whether numbers are answered in `tensor_content`.
        access_log: `stderr`, `off` or a file.
        request_log: prefix of the file of sampled requests; empty: none by default.
        request_log_sampling_rate: fraction of requests that is kept there, 0 to 1.
        request_log_with_bytes: whether pictures themselves are kept, not only their hashes.
        shutdown_grace_seconds: time for running requests to finish once a stop was asked for.
        stop_with_stdin: whether the end of standard input ends the server.
    """

    config: ModelServerConfig
    host: str = "127.0.0.1"
    port: int = 8500
    grpc_socket_path: str = ""
    grpc_channel_arguments: tuple[tuple[str, int | str], ...] = ()
    grpc_max_threads: int | None = None
    rest_api_port: int | None = None
    rest_api_num_threads: int | None = None
    rest_api_timeout_seconds: float = 30.0
    rest_api_enable_cors_support: bool = False
    model_config_file: Path | None = None
    model_config_file_poll_wait_seconds: float = 0.0
    file_system_poll_wait_seconds: float = 1.0
    max_num_load_retries: int = 5
    load_retry_interval_seconds: float = 60.0
    allow_version_labels_for_unavailable_models: bool = False
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 1
    batching: BatchingParameters | None = None
    ssl: SSLConfig | None = None
    monitoring: MonitoringConfig = field(default_factory=MonitoringConfig)
    enable_serialization_as_tensor_content: bool = False
    access_log: str = "stderr"
    request_log: str = ""
    request_log_sampling_rate: float = 1.0
    request_log_with_bytes: bool = False
    shutdown_grace_seconds: float = 25.0
    stop_with_stdin: bool = False
