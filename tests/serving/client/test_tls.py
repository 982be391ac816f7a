"""Encrypted connections, with certificates made here."""

import datetime
import ipaddress
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.client import ImageClient, Tls
from serving.errors import InputError


class Authority:
    """Signs certificates and writes them, with their keys, as PEM files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(self._certificate(self._name, self._key, authority=True)))

    def issue(self, name: str, *hosts: x509.GeneralName) -> tuple[Path, Path]:
        """Certificate and key of a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key, hosts=hosts)
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(_pem(certificate))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        hosts: tuple[x509.GeneralName, ...] = (),
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def _credentials(
    authority: Authority, *hosts: x509.GeneralName, mutual: bool = False
) -> grpc.ServerCredentials:
    certificate, key = authority.issue("server", *hosts)
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=authority.file.read_bytes() if mutual else None,
        require_client_auth=mutual,
    )


LOCAL = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def test_a_server_known_by_its_authority(start_peer, authority, gray) -> None:
    import asyncio

    peer = start_peer(_credentials(authority, LOCAL))
    client = ImageClient(peer.target, tls=Tls(ca=authority.file))
    assert client.predict([gray(255)])[0].label == "dog"
    (answer,) = asyncio.run(client.aio.predict([gray(255)]))
    assert answer.label == "dog"
    client.close()


def test_a_server_that_nobody_vouches_for_is_refused(start_peer, authority, gray) -> None:
    peer = start_peer(_credentials(authority, LOCAL))
    for tls in (Tls(), None):
        with (
            ImageClient(peer.target, tls=tls, attempts=1) as client,
            pytest.raises(InputError, match="no server answers"),
        ):
            client.predict([gray(0)])
    assert peer.requests == []


def test_a_certificate_of_another_name(start_peer, authority, gray) -> None:
    peer = start_peer(_credentials(authority, x509.DNSName("pets.example")))
    tls = Tls(ca=authority.file)
    with (
        ImageClient(peer.target, tls=tls, attempts=1) as client,
        pytest.raises(InputError, match="does it speak TLS"),
    ):
        client.predict([gray(0)])
    named = Tls(ca=authority.file, server_name="pets.example")
    with ImageClient(peer.target, tls=named) as client:
        assert client.predict([gray(255)])[0].label == "dog"


def test_a_server_that_asks_who_calls(start_peer, authority, gray) -> None:
    peer = start_peer(_credentials(authority, LOCAL, mutual=True))
    certificate, key = authority.issue("client")
    with ImageClient(peer.target, tls=Tls(authority.file, certificate, key)) as client:
        assert client.predict([gray(255)])[0].label == "dog"
    with (
        ImageClient(peer.target, tls=Tls(authority.file), attempts=1) as client,
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
    ],
)
def test_wrong_files_are_told_at_once(tls: Tls, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageClient(tls=tls)


def test_a_file_that_is_no_pem(tmp_path: Path) -> None:
    file = tmp_path / "ca.der"
    file.write_bytes(b"\x30\x82")
    with pytest.raises(InputError, match=r"ca\.der: expected a PEM file, found something else"):
        ImageClient(tls=Tls(ca=file))
