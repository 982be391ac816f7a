"""Who asks, and servers that are slow, elsewhere or no Kubeflow Pipelines."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.kubeflow.client import server
from pipelines.kubeflow.client.options import Access
from pipelines.kubeflow.client.schedule import run_list
from pipelines.kubeflow.client.server import Server
from serving.errors import FailedError, InputError

SECRET = "s3cret-one"


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return file


@pytest.mark.parametrize("place", ["file", "environment", "service account"])
def test_the_token_is_sent(peer, token_file, monkeypatch, place):
    peer.token = SECRET
    if place == "environment":
        monkeypatch.setenv("KF_PIPELINES_TOKEN", SECRET)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token_file))
    file = token_file if place == "file" else None
    Server(Access(peer.host, token_file=file, in_cluster=place == "service account")).connect()
    assert peer.tokens == [f"Bearer {SECRET}"]


def test_a_token_that_expires_is_told_until_there_is_another(peer, token_file):
    peer.token = SECRET
    connected = Server(Access(peer.host, token_file=token_file)).connect()
    peer.token = "another"
    with pytest.raises(InputError) as error:
        connected.connect()
    assert str(error.value) == (
        f"{peer.host} refuses the token of --token-file {token_file}: it has expired or is for"
        " another audience: found 401 token is expired; write a new one there"
    )
    token_file.write_text("another")
    connected.connect()
    assert peer.tokens == [f"Bearer {token}" for token in (SECRET, SECRET, "another")]


@pytest.mark.parametrize("content", ["", "two\nlines", "a b", None])
def test_a_file_without_a_token(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=rf"--token-file {file}: expected") as error:
        Server(Access("http://localhost:1", token_file=file)).connect()
    assert content is None or not content or content not in str(error.value)


def test_unreachable_hosts_are_given_up_soon(monkeypatch):
    monkeypatch.setattr(server, "FIRST_CONTACT_SECONDS", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    told = rf"no Kubeflow Pipelines at {host}: found .* refused; "
    with pytest.raises(InputError, match=rf"{told}is it forwarded\? kubectl port-forward"):
        Server(Access(host)).connect()
    assert time.monotonic() - start < 3
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(InputError, match=rf"{told}does that Service have pods"):
        Server(Access(host)).connect()
    with pytest.raises(InputError, match=r"--host: .*; pass --in-cluster$"):
        Server(Access())


def test_a_slow_answer_is_not_waited_for_without_end(peer):
    peer.delay = {"healthz_service_get_healthz": 0.6}
    start = time.monotonic()
    with pytest.raises(FailedError, match=r"does not answer: .*[Rr]ead timed out"):
        Server(Access(peer.host, timeout_seconds=0.2, patience_seconds=0.5)).connect()
    assert time.monotonic() - start < 3


def test_a_server_that_fails_on_and_on(peer):
    peer.fail = {"healthz_service_get_healthz": [503] * 100}
    with pytest.raises(FailedError, match=rf"{peer.host} failed: 503 told to fail"):
        Server(Access(peer.host, patience_seconds=0.8)).connect()
    assert 2 <= len(peer.asked) <= 4


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, r"wants to know who asks: found 401 .*; pass --token-file FILE or --in-cluster"),
        (403, r"does not allow that: found told to fail; ask for the"),
    ],
)
def test_what_is_not_allowed_is_told(peer, status, told):
    peer.fail = {"healthz_service_get_healthz": [status]}
    with pytest.raises(InputError, match=told):
        Server(Access(peer.host)).connect()
    assert len(peer.asked) == 1


def test_installations_of_many_need_a_namespace(peer):
    peer.multi_user = True
    with pytest.raises(InputError, match=r"has a namespace for each user: expected --namespace"):
        Server(Access(peer.host)).connect()
    run_list(Access(peer.host, namespace="me"), "")
    assert peer.asked[-1][1]["namespace"] == "me"


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("localhost:8080", "did you mean 'http://localhost:8080'?"),
        ("ftp://host", "found 'ftp://host'"),
        ("http://", "found 'http://'"),
        ("http://me:word@host", "expected no user or password in it"),
        ("", "expected the URL of Kubeflow Pipelines"),
    ],
)
def test_wrong_hosts(host, hint):
    with pytest.raises(InputError) as error:
        Server(Access(host))
    assert hint in str(error.value)
    assert "word@" not in str(error.value)


@pytest.fixture
def website():
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            status = 302 if self.path.startswith("/moved") else 200
            status = 404 if self.path.startswith("/none") else status
            self.send_response(status)
            self.send_header("location", "https://login.example.com/auth?state=1")
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "found text/html, perhaps a page to log in; pass --token-file FILE"),
        ("/moved", "found a redirect to https://login.example.com/auth; pass --token-file FILE"),
        ("/none", "expected the address below which /apis/v2beta1 is, found 404"),
    ],
)
def test_pages_are_no_api(website, path, line):
    with pytest.raises(InputError) as error:
        Server(Access(website + path)).connect()
    assert line in str(error.value)


def test_tls_with_a_server_that_has_none(peer):
    with pytest.raises(InputError, match=r"TLS with https://.*--tls-ca FILE"):
        Server(Access(peer.host.replace("http", "https"))).connect()


def test_a_file_without_certificates(tmp_path):
    file = tmp_path / "ca.pem"
    for content in (None, "nothing"):
        if content:
            file.write_text(content)
        with pytest.raises(InputError, match=rf"--tls-ca {file}: expected a PEM file"):
            Server(Access("https://localhost", tls_ca=file))
