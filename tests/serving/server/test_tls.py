"""TLS: keys from an SSLConfig, as `--ssl_config_file` reads it."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from serving.errors import InputError
from serving.wire.messages_pb2 import SSLConfig


@pytest.fixture
def secure(start_here, bases, keys) -> Callable[..., Any]:
    """Starts a server with a certificate; other fields of the SSLConfig as given."""

    def start(**fields: Any) -> Any:
        texts = {"server_key": keys("server.key"), "server_cert": keys("server.crt")} | fields
        return start_here({"types": bases["types"]}, ssl=SSLConfig(**texts))

    return start


@pytest.fixture
def ask(predicting: Callable, stub_of: Callable) -> Callable[..., Any]:
    """What a client gets that has an authority, and a key and certificate: a value or a code."""

    def asked(target: str, *credentials: bytes) -> Any:
        made = grpc.ssl_channel_credentials(*credentials)
        with grpc.secure_channel(target, made) as channel:
            try:
                call = stub_of(channel).Predict
                response = call(predicting("types", "int32", x=[5]), timeout=30)
            except grpc.RpcError as error:
                return error.code().name
        return list(response.outputs["y"].int_val)

    return asked


def test_a_trusted_server(secure, keys, ask) -> None:
    target = secure().target
    assert ask(target, keys("ca.crt")) == [5]
    assert ask(target, keys("other.crt")) == "UNAVAILABLE"
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_clients_have_to_show_a_certificate(secure, keys, ask) -> None:
    root = keys("ca.crt")
    target = secure(custom_ca=root, client_verify=True).target
    assert ask(target, root, keys("client.key"), keys("client.crt")) == [5]
    assert ask(target, root, keys("stranger.key"), keys("stranger.crt")) == "UNAVAILABLE"
    assert ask(target, root) == "UNAVAILABLE"


def test_keys_that_are_none_or_of_another_certificate(secure, keys) -> None:
    wrong = {"server_key": b"-----BEGIN nothing"}, {"server_cert": b"no"}
    for fields in (*wrong, {"server_key": keys("client.key")}):
        with pytest.raises(InputError, match="--ssl_config_file: expected a private key"):
            secure(**fields)
