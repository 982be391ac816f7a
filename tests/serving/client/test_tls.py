"""Encrypted connections, with certificates made here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.client import ImageClient, Tls
from serving.errors import InputError


@pytest.fixture
def pem(keys, tmp_path: Path) -> Callable[[str], Path]:
    """pem(name): a file of `keys`."""

    def write(name: str) -> Path:
        (tmp_path / name).write_bytes(keys(name))
        return tmp_path / name

    return write


@pytest.fixture
def start_secure(start_peer, keys) -> Callable[..., Any]:
    """start(name, mutual=False): a peer with a certificate, which may want to see the client's."""

    def start(name: str, *, mutual: bool = False) -> Any:
        credentials = grpc.ssl_server_credentials(
            [(keys(f"{name}.key"), keys(f"{name}.crt"))],
            root_certificates=keys("ca.crt") if mutual else None,
            require_client_auth=mutual,
        )
        return start_peer(credentials)

    return start


def test_a_server_known_by_its_authority(start_secure, pem, gray, ask) -> None:
    peer = start_secure("server")
    with ImageClient(peer.target, tls=Tls(ca=pem("ca.crt"))) as client:
        assert ask(client, "predict", [gray(255)])[0].label == "dog"


def test_a_server_that_nobody_vouches_for_is_refused(start_secure, gray) -> None:
    peer = start_secure("server")
    for tls in (Tls(), None):
        with (
            ImageClient(peer.target, tls=tls, attempts=1) as client,
            pytest.raises(InputError, match="no server answers"),
        ):
            client.predict([gray(0)])
    assert peer.requests == []


def test_a_certificate_of_another_name(start_secure, pem, gray) -> None:
    peer = start_secure("pets")
    tls = Tls(ca=pem("ca.crt"))
    with (
        ImageClient(peer.target, tls=tls, attempts=1) as client,
        pytest.raises(InputError, match="does it speak TLS"),
    ):
        client.predict([gray(0)])
    named = Tls(ca=pem("ca.crt"), server_name="pets.example")
    with ImageClient(peer.target, tls=named) as client:
        assert client.predict([gray(255)])[0].label == "dog"


def test_a_server_that_asks_who_calls(start_secure, pem, gray) -> None:
    peer = start_secure("server", mutual=True)
    tls = Tls(pem("ca.crt"), pem("client.crt"), pem("client.key"))
    with ImageClient(peer.target, tls=tls) as client:
        assert client.predict([gray(255)])[0].label == "dog"
    with (
        ImageClient(peer.target, tls=Tls(pem("ca.crt")), attempts=1) as client,
        pytest.raises(InputError, match="no server answers"),
    ):
        client.predict([gray(0)])
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(ca=Path("absent.pem")), r"TLS CA absent\.pem: expected a PEM file, found No such"),
        (Tls(certificate=Path("a.pem")), "TLS certificate: expected a key with it"),
        (Tls(key=Path("a.pem")), "TLS key: expected a certificate with it"),
        (Tls(ca=Path(__file__)), r"TLS CA .*: expected a PEM file, found something else"),
    ],
)
def test_wrong_files_are_told_at_once(tls: Tls, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageClient(tls=tls)
