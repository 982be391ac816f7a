"""TLS: keys from an SSLConfig, as `--ssl_config_file` reads it."""

from collections.abc import Callable
from types import SimpleNamespace
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


def _ask(target: str, predicting: Callable, **credentials: bytes) -> SimpleNamespace:
    """What a client with these keys gets."""
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    names = ("root_certificates", "private_key", "certificate_chain")
    made = grpc.ssl_channel_credentials(**dict(zip(names, credentials.values(), strict=False)))
    with grpc.secure_channel(target, made) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            response = stub.Predict(predicting("types", "int32", x=[5]), timeout=30)
        except grpc.RpcError as error:
            return SimpleNamespace(code=error.code().name)
    return SimpleNamespace(code="OK", value=list(response.outputs["y"].int_val))


def test_a_trusted_server(secure, keys, predicting) -> None:
    target = secure().target
    answer = _ask(target, predicting, root=keys("ca.crt"))
    assert (answer.code, answer.value) == ("OK", [5])
    assert _ask(target, predicting, root=keys("other.crt")).code == "UNAVAILABLE"
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_clients_have_to_show_a_certificate(secure, keys, predicting) -> None:
    target = secure(custom_ca=keys("ca.crt"), client_verify=True).target
    root = keys("ca.crt")

    def code(name: str) -> str:
        key, chain = keys(f"{name}.key"), keys(f"{name}.crt")
        return _ask(target, predicting, root=root, key=key, chain=chain).code

    assert code("client") == "OK"
    assert code("stranger") == "UNAVAILABLE"
    assert _ask(target, predicting, root=root).code == "UNAVAILABLE"


@pytest.mark.parametrize("fields", [{"server_key": b"-----BEGIN nothing"}, {"server_cert": b"no"}])
def test_keys_that_are_none(secure, fields: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match="--ssl_config_file: expected a private key"):
        secure(**fields)


def test_a_key_of_another_certificate(secure, keys) -> None:
    with pytest.raises(InputError, match="--ssl_config_file: expected a private key"):
        secure(server_key=keys("client.key"))
