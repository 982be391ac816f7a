"""HTTP itself: sizes, compression, limits, concurrency, the end."""

import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from serving.server import admission
from serving.server.observer import Observer
from serving.server.rest import bodies

PREDICT = "/v1/models/values:predict"
BODY = {"signature_name": "int32", "instances": [1, 2]}
SLOW = {"signature_name": "uneven", "inputs": [1]}
SLOW_ANSWER = {"outputs": {"total": 1, "values": [1], "twice": [1, 1]}}


def test_gzip_bodies(http: httpx.Client) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    packed = gzip.compress(json.dumps(BODY).encode())
    assert http.post(PREDICT, content=packed, headers=headers).json() == {"predictions": [1, 2]}
    text = json.dumps(BODY).encode()
    members = gzip.compress(text[:9]) + gzip.compress(text[9:])
    answer = http.post(PREDICT, content=members, headers=headers)
    assert answer.json() == {"predictions": [1, 2]}
    for broken, words in ((b"{}", "Not a gzipped"), (packed[:-9], "ended before")):
        answer = http.post(PREDICT, content=broken, headers=headers)
        assert answer.status_code == 400
        assert words in answer.json()["error"]
    answer = http.post(PREDICT, content=b"{}", headers={"content-encoding": "br"})
    assert answer.status_code == 415
    assert "found br" in answer.json()["error"]


def test_a_target_in_absolute_form(http: httpx.Client) -> None:
    """As a proxy sends it."""
    target = b"http://%s%s" % (http.base_url.netloc, PREDICT.encode())
    request = http.build_request("POST", PREDICT, json=BODY, extensions={"target": target})
    assert http.send(request).json() == {"predictions": [1, 2]}


def test_gzip_answers(http: httpx.Client) -> None:
    body = {"signature_name": "int32", "instances": list(range(5000))}
    plain = http.post(PREDICT, json=body, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for accepted in ("gzip", "br;q=1, GZIP;q=0.5"):
        packed = http.post(PREDICT, json=body, headers={"accept-encoding": accepted})
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < len(plain.content) / 2
        assert packed.content == plain.content
    for refusing in ("gzip;q=0", "br"):
        answer = http.post(PREDICT, json=body, headers={"accept-encoding": refusing})
        assert "content-encoding" not in answer.headers
    # Too small to be worth it.
    assert "content-encoding" not in http.post(PREDICT, json=BODY).headers


def test_huge_bodies(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 100_000)

    def pieces():
        for _ in range(200):
            yield b" " * 1000

    packed = {"content-encoding": "gzip"}
    requests = (b" " * 100_001, {}), (pieces(), {}), (gzip.compress(b" " * 10**7), packed)
    for content, headers in requests:
        answer = http.post(PREDICT, content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json() == {"error": "the body is larger than 100000 bytes"}
        assert http.post(PREDICT, json=BODY).status_code == 200
    full = json.dumps(BODY).encode()
    answer = http.post(PREDICT, content=full + b" " * (100_000 - len(full)))
    assert answer.status_code == 200


def test_a_slow_prediction_does_not_hold_up_others(http: httpx.Client, gate) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(http.post, PREDICT, json=SLOW)
        assert gate.reached()
        assert http.post(PREDICT, json=BODY).status_code == 200
        assert http.get("/v1/models/values").status_code == 200
        assert not running.done()
        gate.open()
        assert running.result().json() == SLOW_ANSWER


def test_a_timeout(start, gate) -> None:
    observer = Observer()
    flags = {"rest_api_timeout_in_ms": 200, "rest_api_num_threads": 1}
    http, _ = start(observer, metrics_path="/metrics", **flags)
    # The second waits for the only thread, and for no longer than the first.
    for _ in range(2):
        answer = http.post(PREDICT, json=SLOW)
        assert answer.status_code == 504
        assert answer.json() == {"error": "no answer within 0.2 s"}
    threads = threading.active_count()
    for _ in range(4):  # none is started for one that is held up
        assert http.post(PREDICT, json=SLOW).status_code == 504
    assert threading.active_count() <= threads
    gate.open()
    while (answer := http.post(PREDICT, json=BODY)).status_code == 504:
        pass  # until the thread is free
    assert answer.json() == {"predictions": [1, 2]}
    count = 'request_count{model_name="values",status="DEADLINE_EXCEEDED"}'
    assert count in http.get("/metrics").text


def test_too_many_requests(start, gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_CONCURRENT_REQUESTS", 1)
    http, _ = start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(http.post, PREDICT, json=SLOW)
        assert gate.reached()
        answer = http.post(PREDICT, json=BODY)
        assert answer.status_code == 429
        assert answer.json() == {"error": "too many concurrent requests"}
        gate.open()
        assert running.result().status_code == 200
    assert http.post(PREDICT, json=BODY).status_code == 200


def _raw(http: httpx.Client, text: bytes) -> socket.socket:
    """A connection that has sent it."""
    made = socket.create_connection((http.base_url.host, http.base_url.port), timeout=20)
    made.sendall(text.replace(b"\n", b"\r\n"))
    return made


def _head(length: int) -> bytes:
    return f"POST {PREDICT} HTTP/1.1\nHost: x\nContent-Length: {length}\n\n".encode()


def test_what_never_arrives_takes_no_slot_and_ends(start, monkeypatch) -> None:
    monkeypatch.setattr(admission, "MAX_CONCURRENT_REQUESTS", 1)
    http, _ = start(receive_timeout_seconds=0.5)
    heads = [_raw(http, b"POST / HTTP/1.1\nHost: x\n") for _ in range(5)]
    waiting = [_raw(http, _head(100) + b"{") for _ in range(5)]
    assert http.post(PREDICT, json=BODY).status_code == 200
    for one in waiting:
        assert one.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert [one.recv(1000) for one in heads] == [b""] * 5
    kept = _raw(http, b"GET /v1/models/values HTTP/1.1\nHost: x\n\n")
    assert kept.recv(1000).startswith(b"HTTP/1.1 200 ")
    kept.sendall(b"GET /")  # the head of the next request, on a connection that is known
    while kept.recv(1000):
        pass


def test_the_largest_on_its_way_goes_for_want_of_memory(start) -> None:
    http, _ = start(request_memory_mb=1)
    large = _raw(http, _head(10**6) + b" " * 900_000)
    small = _raw(http, _head(10**6) + b" " * 100_000)
    full = json.dumps(BODY).encode()
    assert http.post(PREDICT, content=full + b" " * 300_000).status_code == 200
    assert large.recv(1000).startswith(b"HTTP/1.1 429 ")
    small.sendall(b" " * 900_000)
    assert small.recv(1000).startswith(b"HTTP/1.1 400 ")  # it was read to its end


def test_json_of_too_many_elements(http: httpx.Client, start) -> None:
    body = {"signature_name": "int32", "instances": [1] * 400_000}
    assert len(http.post(PREDICT, json=body).json()["predictions"]) == 400_000
    bounded, _ = start(max_request_elements=1000)
    for text in (b"[]," * 1000, b"[" * 1001, b'{"a": ' * 1001):
        packed = gzip.compress(text)
        answer = bounded.post(PREDICT, content=packed, headers={"content-encoding": "gzip"})
        assert answer.status_code == 413
        assert "at most 1000 are taken (--max_request_elements)" in answer.json()["error"]


def test_a_length_beside_chunks_ends_the_connection(http: httpx.Client) -> None:
    chunks = b"Transfer-Encoding: chunked\n\n2\n{}\n0\n\n"
    text = f"POST {PREDICT} HTTP/1.1\nHost: x\nContent-Length: 2\n".encode() + chunks
    both = _raw(http, text)
    assert b"connection: close" in b"".join(iter(lambda: both.recv(1000), b"")).lower()


def test_a_stop_does_not_wait_for_what_is_on_its_way(start) -> None:
    http, server = start()
    waiting = _raw(http, _head(100) + b"{")
    assert http.post(PREDICT, json=BODY).status_code == 200
    started = time.monotonic()
    server.stop(25)
    assert time.monotonic() - started < 10
    assert waiting.recv(1000).startswith(b"HTTP/1.1 503 ")


def test_nothing_is_computed_for_who_has_left(start, gate) -> None:
    http, _ = start(rest_api_num_threads=1)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(http.post, PREDICT, json=SLOW)
        assert gate.reached()
        body = json.dumps(BODY).encode()
        _raw(http, _head(len(body)) + body).close()
        time.sleep(0.5)
        gate.open()
        assert running.result().status_code == 200
    assert gate.seen == ["uneven"]


def test_pages_from_elsewhere(start, http: httpx.Client) -> None:
    open_to_all, _ = start(rest_api_enable_cors_support=True)
    for answer in (open_to_all.options(PREDICT), open_to_all.post(PREDICT, json=BODY)):
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-methods"] == "POST, GET"
        assert answer.headers["access-control-allow-headers"] == "Content-Type"
    assert "access-control-allow-origin" not in http.post(PREDICT, json=BODY).headers


def test_a_stop_lets_running_requests_finish(start, gate) -> None:
    http, server = start()
    http.get("/v1/models/values")  # an idle connection is no reason to wait
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(httpx.post, f"{http.base_url}{PREDICT}", json=SLOW, timeout=60)
        assert gate.reached()
        stopping = pool.submit(server.stop, 30)
        while _is_open(http.base_url):
            time.sleep(0.01)
        time.sleep(0.5)  # were it cut off, it would be by now
        assert not running.done()
        assert not stopping.done()
        gate.open()
        assert running.result().json() == SLOW_ANSWER
        stopping.result(10)


def test_a_stop_does_not_wait_for_ever(start, gate) -> None:
    http, server = start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(http.post, PREDICT, json=SLOW)
        assert gate.reached()
        started = time.monotonic()
        server.stop(0.3)
        assert time.monotonic() - started < 10
        gate.open()
        assert running.result().status_code == 503
        assert running.result().json() == {"error": "the server is stopping"}


def _is_open(url: httpx.URL) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((url.host, url.port)) == 0
