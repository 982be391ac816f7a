"""What no client should send, over raw sockets: an answer of one line, and nothing in the log."""

import gzip
import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http.client import HTTPResponse
from itertools import islice

import httpx
import pytest

PATH = "/v1/models/values:predict"
GOOD = b'{"signature_name": "int32", "instances": [1]}'
NO_HTTP = "Invalid HTTP request"
CHUNKED = "Transfer-Encoding: chunked"


def _post(body: bytes, *heads: str, path: str = PATH, length: str | None = "") -> bytes:
    size = () if length is None else (f"Content-Length: {length or len(body)}",)
    lines = (f"POST {path} HTTP/1.1", "Host: x", *size, *heads, "", "")
    return "\r\n".join(lines).encode("latin1") + body


def _chunks(body: bytes, path: str = PATH) -> bytes:
    return _post(body, CHUNKED, path=path, length=None)


def _json(value: bytes, signature: str = "float32") -> bytes:
    return _post(b'{"signature_name": "%s", "inputs": %s}' % (signature.encode(), value))


# By name: what is sent, the status, and words of the answer; NO_HTTP ends the connection.
CASES: dict[str, tuple[bytes, int, str]] = {
    **{f"length {x}": (_post(GOOD, length=x), 400, NO_HTTP) for x in ("-1", "+1", "0x9", "9" * 21)},
    "lengths that differ": (_post(GOOD, "Content-Length: 9"), 400, NO_HTTP),
    **{
        f"encoding {x!r}": (_post(b"", f"Transfer-Encoding: {x}", length=None), 400, NO_HTTP)
        for x in ("gzip, chunked", "chunked, chunked", "identity", "xchunked", "\x0bchunked", "")
    },
    "space before the colon": (_post(b"", "Transfer-Encoding : chunked"), 400, NO_HTTP),
    **{
        f"chunk {x[:9]!r}": (_chunks(x + b"\r\n"), 400, NO_HTTP)
        for x in (b"zz", b"-1", b"f" * 21, b"2\r\n{}ab", b"0\r\nX A: 1\r\n")
    },
    "a chunk that is none, where nobody reads": (_chunks(b"zz\r\n", "/nope"), 400, NO_HTTP),
    "NUL in a value": (_post(GOOD, "X: \0"), 400, NO_HTTP),
    "NUL in a name": (_post(GOOD, "X\0: a"), 400, NO_HTTP),
    "NUL in a target": (_post(GOOD, path=f"{PATH}\0"), 400, NO_HTTP),
    "a large head": (_post(GOOD, "X: " + "a" * 200_000), 400, NO_HTTP),
    "many heads": (_post(GOOD, *["X: a"] * 40_000), 400, NO_HTTP),
    "a bomb": (_post(gzip.compress(b" " * 10**9), "Content-Encoding: gzip"), 413, "larger than"),
    "brackets": (_json(b"[" * 100_000), 400, "nested too deeply"),
    "objects": (_json(b'{"a":' * 100_000), 400, "nested too deeply"),
    "1e999": (_json(b"1e999"), 400, "loss of precision"),
    "10**400": (_json(b"1" + b"0" * 400), 400, "loss of precision"),
    "10**5000": (_json(b"1" + b"0" * 5000), 400, "Number too big"),
    "half a pair": (_json(b'"\\ud800"', "string"), 400, "surrogate pair"),
    "dots": (_post(GOOD, path="/v1/models/../values:predict"), 400, "Malformed"),
    "%2F": (_post(GOOD, path="/v1/models/..%2Fvalues:predict"), 404, "Latest(../values)"),
    "%00": (_post(GOOD, path="/v1/models/%00:predict"), 404, "Latest(\\u0000)"),
    "%1b": (_post(GOOD, path="/v1/models/%1b[31m:predict"), 404, "Latest(\\u001b[31m)"),
    "a proper one": (_post(GOOD), 200, "1"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "words"), CASES.values(), ids=CASES)
def test_each_is_told_and_nobody_else_sees(http: httpx.Client, caplog, sent, status, words) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with socket.create_connection((http.base_url.host, http.base_url.port), timeout=60) as made:
        try:
            made.sendall(sent)
            answer = HTTPResponse(made)
            answer.begin()
            told = answer.read().decode()
            assert answer.status == status
            assert words in told
            if words == NO_HTTP:
                assert made.recv(1) == b""
            else:
                made.sendall(_post(GOOD))
                assert made.recv(15) == b"HTTP/1.1 200 OK"
                assert status == 200 or list(json.loads(told)) == ["error"]
        except ConnectionError:  # more was on its way than what was answered
            assert words == NO_HTTP
    assert http.post(PATH, content=GOOD).json() == {"predictions": [1]}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.fixture
def slow(start):
    """Starts a server with these flags, and makes connections to it that take little."""
    with ExitStack() as stack:

        def connect(**flags) -> tuple[Iterator[socket.socket], httpx.Client]:
            http, _ = start(**flags)

            def connections() -> Iterator[socket.socket]:
                while True:
                    made = stack.enter_context(socket.socket())
                    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    made.settimeout(30)
                    made.connect((http.base_url.host, http.base_url.port))
                    yield made

            return connections(), http

        yield connect


@pytest.mark.parametrize("flags", [{"receive_timeout_seconds": 3.0}, {"request_memory_mb": 19}])
def test_answers_that_nobody_reads_go(slow, flags) -> None:
    """After a while, or for want of memory."""
    connections, http = slow(**flags)
    body = b'{"signature_name": "string", "inputs": "%s"}' % (b"x" * (9 * 2**20))
    made = []
    for one in islice(connections, 5):
        one.sendall(_post(body, "Connection: close"))
        assert one.recv(15) == b"HTTP/1.1 200 OK"
        made.append(one)
    time.sleep(flags.get("receive_timeout_seconds", 0.0) + 1.0)
    with suppress(ConnectionError):
        read = [sum(map(len, iter(partial(one.recv, 2**20), b""))) for one in made]
        assert min(read) < 9 * 2**20
    assert http.post(PATH, content=GOOD).status_code == 200


def test_what_is_no_http_after_an_answer_ends_it(slow, caplog) -> None:
    one = next(slow()[0])
    one.sendall(_chunks(b"", "/nope"))
    assert one.recv(12) == b"HTTP/1.1 404"
    one.sendall(b"zz\r\n")
    while one.recv(1000):
        pass
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_chunks_of_a_byte_hold_up_nobody(slow) -> None:
    connections, http = slow()
    one = next(connections)
    one.settimeout(0.05)
    with suppress(TimeoutError):  # it is read slowly
        one.sendall(_chunks(b"1\r\n \r\n" * 200_000))
    started = time.monotonic()
    assert http.post(PATH, content=GOOD).status_code == 200
    assert time.monotonic() - started < 5.0  # of the half minute that it once took
