"""Encrypted connections to the embedded server, with certificates made here."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.client import CLASSIFIER_NAME, Tls
from serving.errors import InputError
from serving.wire.messages_pb2 import SSLConfig


@pytest.fixture(scope="module")
def start_secure(start_here, saved_model, keys, tmp_path_factory) -> Callable[..., str]:
    """start(name, **fields): where a server with a certificate is, by other fields if given."""
    base = tmp_path_factory.mktemp("base")
    (base / "1").symlink_to(saved_model)

    @functools.cache
    def start(name: str, **fields: bytes | bool) -> str:
        texts = {"server_key": keys(f"{name}.key"), "server_cert": keys(f"{name}.crt")} | fields
        return start_here({CLASSIFIER_NAME: base}, ssl=SSLConfig(**texts)).target

    return start


@pytest.fixture
def pem(keys, tmp_path: Path) -> Callable[[str], Path]:
    """pem(name): a file of `keys`."""

    def write(name: str) -> Path:
        (tmp_path / name).write_bytes(keys(name))
        return tmp_path / name

    return write


CLIENT = {"ca": "ca.crt", "certificate": "client.crt", "key": "client.key"}
STRANGER = {"ca": "ca.crt", "certificate": "stranger.crt", "key": "stranger.key"}
# The server's name, whether it asks who calls, the client's files, and what that is told.
MEETINGS: list[tuple[str, bool, dict[str, str] | None, str]] = [
    ("server", False, {"ca": "ca.crt"}, "dog"),
    ("server", False, {"ca": "other.crt"}, "does it speak TLS"),
    ("server", False, {}, "does it speak TLS"),  # nobody that gRPC knows vouches for it
    ("server", False, None, "--tls if it encrypts"),
    ("pets", False, {"ca": "ca.crt"}, "does it speak TLS"),
    ("pets", False, {"ca": "ca.crt", "server_name": "pets.example"}, "dog"),
    ("server", True, CLIENT, "dog"),
    ("server", True, STRANGER, "does it speak TLS"),
    ("server", True, {"ca": "ca.crt"}, "does it speak TLS"),
]


@pytest.mark.parametrize(("name", "asks", "files", "told"), MEETINGS)
def test_who_trusts_whom(start_secure, connect, pem, gray, ask, *, name, asks, files, told) -> None:
    more = {"custom_ca": pem("ca.crt").read_bytes(), "client_verify": True} if asks else {}
    made = {key: x if key == "server_name" else pem(x) for key, x in (files or {}).items()}
    tls = None if files is None else Tls(**made)
    client = connect(start_secure(name, **more), attempts=1, tls=tls)
    if told == "dog":
        assert ask(client, "predict", [gray(255)])[0].label == told
    else:
        with pytest.raises(InputError, match=f"no server answers.*{told}"):
            ask(client, "predict", [gray(255)])


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls(ca=Path("absent.pem")), r"TLS CA absent\.pem: expected a PEM file, found No such"),
        (Tls(certificate=Path("a.pem")), "TLS certificate: expected a key with it"),
        (Tls(key=Path("a.pem")), "TLS key: expected a certificate with it"),
        (Tls(ca=Path("/dev/null")), r"TLS CA .*: expected a PEM file, found something else"),
    ],
)
def test_wrong_files_are_told_at_once(connect, tls: Tls, words: str) -> None:
    with pytest.raises(InputError, match=words):
        connect(tls=tls)


def test_keys_that_are_none_or_of_another_certificate(start_secure, keys) -> None:
    wrong = {"server_key": b"-----BEGIN nothing"}, {"server_cert": b"no"}
    for fields in (*wrong, {"server_key": keys("client.key")}):
        with pytest.raises(InputError, match="--ssl_config_file: expected a private key"):
            start_secure("server", **fields)
