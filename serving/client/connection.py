"""How a server is reached: its address, TLS, message size, and what gRPC sends again."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import grpc
from google.protobuf.message import Message

from serving.client.images import BATCH_SIZE
from serving.errors import InputError, os_errors
from serving.results import ServingError
from serving.wire import messages_pb2 as pb
from serving.wire import methods

DEFAULT_TARGET = "localhost:8500"
CLASSIFIER_NAME = "cats_vs_dogs"
DEFAULT_TIMEOUT_SECONDS = 30.0
IN_FLIGHT = 4
# gRPC's own limit for one call, and what lets a server be away for about 1.5 s.
MAX_ATTEMPTS = 5

# A server that is starting or full, or that ended before it took up a call: gRPC then cancels it.
# All else would be refused again.
_RETRYABLE = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED")
_RETRY_POLICY = {
    "initialBackoff": "0.1s",  # gRPC varies each by a fifth up or down
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": _RETRYABLE,
}
_HEADER_NAME = re.compile(r"[0-9A-Za-z_.-]+")
_RECONNECT_MILLISECONDS = 100
# How soon a name is resolved again when a server of it is gone. gRPC waits 30 s, in which it would
# know only those that are gone, too, if all are replaced; this is within the 1.2 s of all repeats.
_RESOLVE_MILLISECONDS = 500
# How gRPC begins what it tells when it never reached a server.
_UNREACHED = ("failed to connect", "errors resolving", "DNS resolution", "connections to all")


@dataclass(frozen=True)
class Tls:
    """Encryption, and who is trusted. All files are PEM.

    Attributes:
        ca: the authorities that may have signed the server's certificate; None: those that gRPC
            brings with it.
        certificate: the client's own certificate chain, for servers that ask for one.
        key: its private key.
        server_name: the name that the server's certificate has to bear, if it is not the
            target's, as behind a forwarded port.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files.

        Raises:
            InputError: a file is missing, or only one of certificate and key is given.
        """
        if (self.certificate is None) != (self.key is None):
            given, missing = ("certificate", "key") if self.certificate else ("key", "certificate")
            raise InputError(f"TLS {given}", expected=f"a {missing} with it", found="none")
        return grpc.ssl_channel_credentials(
            _pem("CA", self.ca), _pem("key", self.key), _pem("certificate", self.certificate)
        )


def _pem(kind: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    with os_errors(f"TLS {kind} {path}", expected="a PEM file"):
        content = Path(path).read_bytes()
    if b"-----BEGIN" not in content:
        raise InputError(f"TLS {kind} {path}", expected="a PEM file", found="something else")
    return content


@dataclass(frozen=True, eq=False)
class Connection:
    """One model on one server, and how it is asked: what an `ImageClient` is; see its arguments.

    Attributes:
        lacking: outputs that the model was found not to have, which are not asked for again.
    """

    target: str = DEFAULT_TARGET
    model_name: str = CLASSIFIER_NAME
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    _: KW_ONLY
    version: int | None = None
    label: str | None = None
    tls: Tls | None = None
    max_message_bytes: int = methods.MAX_MESSAGE_BYTES
    attempts: int = MAX_ATTEMPTS
    headers: Mapping[str, str] | None = None
    batch_size: int = BATCH_SIZE
    in_flight: int = IN_FLIGHT
    lacking: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.deadline({})
        self.call_headers({})
        for name in ("batch_size", "in_flight"):
            if getattr(self, name) < 1:
                raise InputError(name, expected="1 or more", found=str(getattr(self, name)))
        if self.version is not None and self.label is not None:
            found = f"version {self.version} and label '{self.label}'"
            raise InputError("the model", expected="a version or a label", found=found)
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise InputError("attempts", expected=f"1 to {MAX_ATTEMPTS}", found=str(self.attempts))
        self.credentials  # noqa: B018 - wrong files are told here

    @cached_property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """What TLS needs, once read; None: no TLS."""
        return self.tls.credentials() if self.tls else None

    def deadline(self, options: "CallOptions") -> "Deadline":
        """When a call that starts now has to be done."""
        return Deadline(options.get("timeout_seconds", self.timeout_seconds))

    def call_headers(self, options: "CallOptions") -> tuple[tuple[str, str], ...]:
        """The headers of a call as gRPC takes them."""
        headers = {**(self.headers or {}), **options.get("headers", {})}
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                raise InputError(
                    "headers", expected="printable ASCII", found=f"{name!r}: {value!r}"
                )
        return tuple((name.lower(), value) for name, value in headers.items())

    def spec(self) -> pb.ModelSpec:
        """The model as requests name it."""
        spec = pb.ModelSpec(name=self.model_name)
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label
        return spec

    def open(self, module: Any) -> Any:
        """Opens a channel of a module, `grpc` or `grpc.aio`."""
        if self.credentials is None:
            return module.insecure_channel(self.target, options=self._options())
        return module.secure_channel(self.target, self.credentials, options=self._options())

    def _options(self) -> list[tuple[str, Any]]:
        policy = {**_RETRY_POLICY, "maxAttempts": self.attempts}
        # All addresses of the target share the calls; gRPC would use the first that answers.
        config: dict[str, Any] = {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [{"name": [{}]}],
        }
        if self.attempts > 1:
            config["methodConfig"][0]["retryPolicy"] = policy
        options = [
            ("grpc.service_config", json.dumps(config)),
            # A request beyond this buffer would be sent once only.
            ("grpc.per_rpc_retry_buffer_size", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            # gRPC would wait a second before it looks for a server again.
            ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
            ("grpc.dns_min_time_between_resolutions_ms", _RESOLVE_MILLISECONDS),
            # gRPC would send even local requests through a proxy named in the environment.
            ("grpc.enable_http_proxy", 0),
        ]
        if self.tls and self.tls.server_name:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    def refusal(self, error: grpc.RpcError, deadline: "Deadline") -> ServingError:
        """What an exchange is told of a call that failed.

        Raises:
            InputError: no server was reached.
        """
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE and details.startswith(_UNREACHED):
            start = "pawlens serve --model_name NAME --model_base_path DIR --port PORT"
            raise InputError(
                f"no server answers at {self.target}",
                found=details,
                todo="does it speak TLS, and do both trust the other's certificate?"
                if self.tls
                else f"start one with: {start}, or pass --target HOST:PORT (--tls if it encrypts)",
            ) from error
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            details = f"no answer from {self.target} within {deadline.seconds:g} s"
        return ServingError(code, details)


class CallOptions(TypedDict, total=False):
    """What every call takes besides its own arguments.

    Attributes:
        timeout_seconds: instead of the client's.
        headers: sent along, like `{"x-request-id": "42"}`, over the client's.
    """

    timeout_seconds: float
    headers: Mapping[str, str]


class Deadline:
    """The moment by which a call with all it takes has to be done."""

    def __init__(self, seconds: float):
        if not seconds > 0:
            raise InputError("the timeout", expected="more than 0 s", found=f"{seconds:g} s")
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(self._end - time.monotonic(), 0.0)


@dataclass(frozen=True)
class Method:
    """A gRPC method: its HTTP/2 path and what it answers with."""

    path: str
    response_type: type[Message]

    def on(self, channel: Any) -> Callable:
        """The method on a channel."""
        return channel.unary_unary(
            self.path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=self.response_type.FromString,
        )


_PREDICTION, _MODEL = f"/{methods.PREDICTION_SERVICE}", f"/{methods.MODEL_SERVICE}"
PREDICT = Method(f"{_PREDICTION}/Predict", pb.PredictResponse)
GET_MODEL_METADATA = Method(f"{_PREDICTION}/GetModelMetadata", pb.GetModelMetadataResponse)
GET_MODEL_STATUS = Method(f"{_MODEL}/GetModelStatus", pb.GetModelStatusResponse)
