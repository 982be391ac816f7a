"""TLS: keys from an SSLConfig, as `--ssl_config_file` reads it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.errors import InputError
from serving.wire.config_pb2 import SSLConfig

Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _pair(name: str, signer: Pair | None = None) -> Pair:
    """A key and its certificate for this machine; an authority if nobody signs it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.IPAddress(IPv4Address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[1].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(signer[0] if signer else key, hashes.SHA256())
    )
    return key, certificate


@pytest.fixture(scope="module")
def keys() -> Callable[[str], bytes]:
    """PEM texts: two authorities; a server and a client of the first, a stranger of the other."""
    ca, other = _pair("ca"), _pair("other")
    pairs = {"ca": ca, "other": other}
    pairs |= {"server": _pair("server", ca), "client": _pair("client", ca)}
    pairs["stranger"] = _pair("stranger", other)

    def text(file: str) -> bytes:
        name, kind = file.split(".")
        key, certificate = pairs[name]
        if kind == "crt":
            return certificate.public_bytes(serialization.Encoding.PEM)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    return text


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
            response = stub.Predict(predicting("types", "int32", value=[5]), timeout=30)
        except grpc.RpcError as error:
            return SimpleNamespace(code=error.code().name)
    return SimpleNamespace(code="OK", value=list(response.outputs["value"].int_val))


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
