"""The gRPC server: its ports, keys and limits, and the way of a request through it."""

import contextlib
import os
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.errors import InputError
from serving.server.config_files import channel_arguments
from serving.server.grpc_method import GrpcMethod
from serving.server.health import Health, Streams, add_to_server, in_pool
from serving.server.observer import Observer
from serving.server.options import ServerOptions
from serving.server.service import Service
from serving.wire import methods

# Requests beyond it are refused (RESOURCE_EXHAUSTED) instead of piling up in memory.
MAX_CONCURRENT_REQUESTS = 128

_MAX_SEND = "grpc.max_send_message_length"


class GrpcServer:
    """A server that answers.

    Attributes:
        port: the TCP port.
    """

    def __init__(self, server: grpc.Server, port: int, health: Health, streams: Streams):
        self.port = port
        self._server = server
        self._health = health
        self._streams = streams

    def stop(self, grace_seconds: float) -> None:
        """Takes no more requests and waits for those that are running.

        Args:
            grace_seconds: the longest wait; what still runs then is cancelled.
        """
        self._health.close()
        stopped = self._server.stop(grace_seconds)
        self._streams.cancel()
        stopped.wait()


def start_grpc_server(service: Service, observer: Observer, options: ServerOptions) -> GrpcServer:
    """Starts answering.

    The server is grpcio's threaded one: a request is one blocking `Session.run`, which holds a
    thread and frees Python's lock, so an event loop would only hand it to a thread as well.

    Raises:
        InputError: a port, the socket or the keys cannot be used.
    """
    # Without the first, two servers could share a port without a word.
    arguments: dict[str, int | str] = {"grpc.so_reuseport": 0, **dict(methods.MESSAGE_SIZE_OPTIONS)}
    arguments |= channel_arguments(options.grpc_channel_arguments)
    try:
        server = grpc.server(
            ThreadPoolExecutor(_threads(options), thread_name_prefix="request"),
            options=list(arguments.items()),
            maximum_concurrent_rpcs=MAX_CONCURRENT_REQUESTS,
        )
    except (OverflowError, UnicodeError) as error:
        what, found = "--grpc_channel_arguments", str(error)
        raise InputError(what, expected="text or numbers of 32 bits", found=found) from error
    port = _listen(server, options)
    streams = Streams()
    most = arguments[_MAX_SEND]
    limit = most if isinstance(most, int) else -1  # gRPC passes over a text there
    server.add_generic_rpc_handlers(_handlers(service, observer, limit))
    health = add_to_server(server, service.core, streams)
    server.start()
    return GrpcServer(server, port, health, streams)


def _threads(options: ServerOptions) -> int:
    if options.grpc_max_threads:
        return options.grpc_max_threads
    if options.batching:
        return MAX_CONCURRENT_REQUESTS  # a request that waits for its batch holds a thread
    # More than cores, so that a small request does not wait behind large ones.
    return 4 * (os.cpu_count() or 1) + 4


def _listen(server: grpc.Server, options: ServerOptions) -> int:
    """Binds the ports; the TCP one's number."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.port}"
    try:
        if options.ssl:
            port = server.add_secure_port(address, _credentials(options.ssl))
        else:
            port = server.add_insecure_port(address)
    except RuntimeError as error:
        if options.ssl and _is_free(address):
            raise InputError(
                "--ssl_config_file",
                expected="a private key and the certificate that belongs to it",
                found="texts that cannot be used as such",
            ) from error
        raise InputError(
            f"--port={options.port}",
            expected=f"a free port on {options.host}",
            found="one in use or not allowed",
            todo="pass another port, or --port=0 for any free one",
        ) from error
    if options.grpc_socket_path:
        _listen_on_socket(server, options.grpc_socket_path)
    return port


def _is_free(address: str) -> bool:
    try:
        return bool(grpc.server(ThreadPoolExecutor(1)).add_insecure_port(address))
    except RuntimeError:
        return False


def _listen_on_socket(server: grpc.Server, path: str) -> None:
    refusal = InputError(
        f"--grpc_socket_path={path}",
        expected="a path of at most 107 characters where a socket can be made",
        found="one in use or not allowed",
    )
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        # gRPC takes a socket's place without asking: right for one that an ended server left.
        probe.connect(path)
        raise refusal
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise refusal from error


def _credentials(ssl: Any) -> grpc.ServerCredentials:
    """Keys from an SSLConfig: PEM texts, and whether clients have to show a certificate."""
    authority = ssl.custom_ca.encode() or None
    pair = (ssl.server_key.encode(), ssl.server_cert.encode())
    return grpc.ssl_server_credentials([pair], authority, ssl.client_verify)


def _handlers(
    service: Service, observer: Observer, limit: int
) -> tuple[grpc.GenericRpcHandler, ...]:
    # A status is told even while all threads predict.
    quick = ThreadPoolExecutor(2, thread_name_prefix="status")

    def serving(name: str, rows: Mapping[str, tuple[Any, Any]]) -> grpc.GenericRpcHandler:
        made = {}
        for method, (answer, request_type) in rows.items():
            handle = GrpcMethod(method, request_type, answer, observer, limit).handle
            # Without serializers grpcio hands over bytes: what is wrong with them is told there.
            behaviour = in_pool(handle, quick) if method.startswith("Get") else handle
            made[method] = grpc.unary_unary_rpc_method_handler(behaviour)
        return grpc.method_handlers_generic_handler(name, made)

    prediction = {
        "Predict": (service.predict, PredictRequest),
        "Classify": (service.classify, ClassificationRequest),
        "Regress": (service.regress, RegressionRequest),
        "MultiInference": (service.multi_inference, MultiInferenceRequest),
        "GetModelMetadata": (service.get_model_metadata, GetModelMetadataRequest),
    }
    model = {
        "GetModelStatus": (service.get_model_status, GetModelStatusRequest),
        "HandleReloadConfigRequest": (service.handle_reload_config_request, ReloadConfigRequest),
    }
    return (serving(methods.PREDICTION_SERVICE, prediction), serving(methods.MODEL_SERVICE, model))
