"""What is sent again, what is not, and when it ends."""

import os
import threading
import time

import grpc
import numpy as np
import pytest

from serving.client import ImageClient
from serving.client.images import encode
from serving.errors import InputError
from serving.results import ServingError

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue is full")
ENDED = (grpc.StatusCode.CANCELLED, "CANCELLED")
FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")


def test_an_unavailable_server_is_asked_again(peer, connect, ask) -> None:
    peer.fail = [UNAVAILABLE, FULL, ENDED]
    large = encode(np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8))
    start = time.monotonic()
    (answer,) = ask(connect(), "predict", [large])
    assert answer.probability == pytest.approx(0.5, abs=0.01)
    assert len(peer.requests) == 4
    assert all(request.ByteSize() > 2 * 2**20 for request in peer.requests)
    # 0.1, 0.2 and 0.4 s, each a fifth more or less.
    assert 0.55 < time.monotonic() - start < 3


@pytest.mark.parametrize(
    "code", ["INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL", "UNKNOWN"]
)
def test_other_refusals_are_final(peer, connect, code: str) -> None:
    peer.fail = [(grpc.StatusCode[code], "no")] * 2
    with pytest.raises(ServingError) as caught:
        connect().call("serving_default", {"image_bytes": np.array([b"x"], object)})
    assert caught.value.code.name == code
    assert len(peer.requests) == 1


@pytest.mark.parametrize("attempts", [1, 3])
def test_attempts_are_counted(peer, connect, gray, attempts: int) -> None:
    peer.fail = [UNAVAILABLE] * 9
    with pytest.raises(ServingError) as caught:
        connect(attempts=attempts).predict([gray(0)])
    assert (caught.value.code, caught.value.details) == UNAVAILABLE
    assert len(peer.requests) == attempts


def test_one_deadline_for_a_call_and_its_repeats(peer, connect, gray) -> None:
    peer.fail = [UNAVAILABLE] * 9
    start = time.monotonic()
    with pytest.raises(ServingError, match=r"within 0\.5 s") as caught:
        connect(timeout_seconds=0.5).predict([gray(0)])
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.4 < time.monotonic() - start < 0.9


def test_one_deadline_for_all_requests_of_a_list(peer, connect, gray, ask) -> None:
    peer.delay = lambda count: 0.2
    images, client = [gray(0)] * 6, connect(batch_size=1, in_flight=1)
    with pytest.raises(ServingError) as caught:
        ask(client, "predict", images, timeout_seconds=0.7)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 3 <= len(peer.requests) <= 4
    assert len(ask(client, "predict", images, timeout_seconds=20)) == 6


def test_a_stream_has_a_deadline_for_each_batch(peer, connect, gray) -> None:
    peer.delay = lambda count: 0.2
    client = connect(batch_size=1, in_flight=1, timeout_seconds=0.7)
    assert len(list(client.predict_stream([gray(0)] * 6))) == 6


def test_a_server_that_is_back_in_time_is_found(peer, start_peer, connect, gray) -> None:
    client = connect()
    client.predict([gray(0)])
    peer.server.stop(0).wait()
    returned = threading.Timer(0.3, lambda: start_peer(port=peer.port))
    start = time.monotonic()
    returned.start()
    try:
        assert client.predict([gray(255)])[0].label == "dog"
    finally:
        returned.join()
    # After 0.1, 0.3 and 0.7 s; by itself gRPC would look for it again after a whole second.
    assert time.monotonic() - start < 1.15


def test_all_addresses_of_a_target_share_the_calls(start_peer, connect, gray, ask) -> None:
    peers = [start_peer(), start_peer()]
    client = connect(f"ipv4:{peers[0].target},{peers[1].target}")

    def predict_until(done) -> None:
        end = time.monotonic() + 10
        while not done():
            assert time.monotonic() < end
            ask(client, "predict", [gray(0)])

    predict_until(lambda: all(len(peer.requests) > 3 for peer in peers))
    peers[0].server.stop(0).wait()
    served = len(peers[1].requests)
    predict_until(lambda: len(peers[1].requests) == served + 10)


def test_nobody_there(connect, gray, ask) -> None:
    client = connect("127.0.0.1:1", timeout_seconds=20)
    with pytest.raises(InputError, match=r"no server answers at 127\.0\.0\.1:1.*pawlens serve"):
        ask(client, "predict", [gray(0)])


def test_headers_reach_the_server(peer, connect, gray) -> None:
    client = connect(headers={"X-Request-Id": "7", "x-team": "pets"})
    client.predict([gray(0)])
    client.predict([gray(0)], headers={"x-request-id": os.urandom(4).hex()})
    first, second = peer.headers
    assert (first["x-request-id"], first["x-team"]) == ("7", "pets")
    assert second["x-request-id"] != "7"
    assert second["x-team"] == "pets"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"attempts": 0}, "attempts: expected 1 to 5"),
        ({"attempts": 6}, "attempts: expected 1 to 5"),
        ({"timeout_seconds": float("nan")}, "timeout"),
        ({"headers": {"x y": "1"}}, "headers"),
        ({"headers": {"x": "a\nb"}}, "headers"),
        ({"batch_size": 0}, "batch_size"),
        ({"in_flight": 0}, "in_flight"),
    ],
)
def test_wrong_settings(more: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageClient(**more)
