"""Many images: in order, several requests at a time, and no further ahead than that."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from serving.client import ImageClient
from serving.results import ImageError, ServingError


def _values(count: int | None, gray, read: list[int]) -> Iterator[bytes]:
    """Images, brighter and brighter; notes how many were taken."""
    for number in itertools.count() if count is None else range(count):
        read.append(number)
        yield gray(number % 256)


@pytest.fixture
def stream(ask: Callable[..., Any]) -> Callable[..., list]:
    """stream(client, images, most=None): so many of the answers that either face gives."""
    return lambda client, images, **more: ask(client, "predict_stream", images, **more)


def test_answers_come_in_order_although_requests_overtake(peer, connect, gray, stream) -> None:
    peer.delay = lambda count: 0.15 if count % 3 == 1 else 0.0
    answers = stream(connect(batch_size=2, in_flight=4), _values(25, gray, []))
    assert [answer.position for answer in answers] == list(range(25))
    found = [answer.result.probabilities[1] * 255 for answer in answers]
    assert found == pytest.approx(list(range(25)), abs=1e-3)
    assert sorted(peer.sent()) == [1] + [2] * 12


@pytest.mark.parametrize("in_flight", [1, 3])
def test_requests_at_a_time_are_bounded_and_used(peer, connect, gray, stream, in_flight) -> None:
    peer.delay = lambda count: 0.05
    start = time.monotonic()
    assert len(stream(connect(batch_size=1, in_flight=in_flight), _values(18, gray, []))) == 18
    assert time.monotonic() - start >= 18 * 0.05 / in_flight
    assert peer.most_at_once == in_flight


def test_unbounded_input_is_read_a_little_ahead_only(connect, gray, stream) -> None:
    read: list[int] = []
    answers = stream(connect(batch_size=4, in_flight=3), _values(None, gray, read), most=40)
    assert [answer.position for answer in answers] == list(range(40))
    # The batch that is answered, and two more under way.
    assert 40 <= len(read) <= 40 + 4 * 2


def test_one_request_in_flight_is_answered_before_more_is_read(connect, gray) -> None:
    read: list[int] = []
    client = connect(batch_size=1, in_flight=1)
    for number, _ in enumerate(client.predict_stream(_values(5, gray, read))):
        assert len(read) == number + 1


def test_asynchronous_input(peer, gray) -> None:
    async def camera() -> AsyncIterator[bytes]:
        for value in range(5):
            await asyncio.sleep(0)
            yield gray(value * 51)

    async def ask() -> list:
        async with ImageClient(peer.target) as client:
            return await client.aio.predict(camera())

    found = [one.probabilities[1] for one in asyncio.run(ask())]
    assert found == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


def test_the_event_loop_is_free_while_requests_run(peer, gray) -> None:
    peer.delay = lambda count: 0.3

    async def ask() -> int:
        ticks = 0
        async with ImageClient(peer.target) as client:
            answer = asyncio.create_task(client.aio.predict([gray(1)]))
            while not answer.done():
                await asyncio.sleep(0.01)
                ticks += 1
            assert len(answer.result()) == 1
        return ticks

    assert asyncio.run(ask()) > 10


def test_whoever_leaves_a_stream_waits_for_nothing(peer, connect, gray, stream) -> None:
    def delay(count: int) -> float:
        asked = peer.requests[count - 1].inputs["image_bytes"].string_val
        return 0.0 if list(asked) == [gray(0)] else 3.0

    peer.delay = delay
    start = time.monotonic()
    with connect(batch_size=1, in_flight=3) as client:  # two more requests are under way
        assert len(stream(client, _values(None, gray, []), most=1)) == 1
    assert time.monotonic() - start < 2


def test_a_client_serves_one_event_loop_after_another(connect, gray) -> None:
    client = connect()

    async def ask() -> str:
        return (await client.aio.predict([gray(255)]))[0].label

    assert [asyncio.run(ask()), asyncio.run(ask())] == ["dog", "dog"]


@pytest.mark.parametrize("names_position", [True, False])
def test_bad_images_do_not_keep_others_from_an_answer(peer, connect, gray, stream, names_position):
    peer.names_position = names_position
    images = [gray(value) for value in range(12)]
    for bad in (0, 5, 6, 11):
        images[bad] = b"no image"
    answers = stream(connect(batch_size=5), images)
    assert [answer.position for answer in answers if answer.error] == [0, 5, 6, 11]
    for answer in answers:
        assert answer.image is images[answer.position]
        if not answer.error:
            assert answer.result.probabilities[1] * 255 == pytest.approx(answer.position, abs=1e-3)
    with pytest.raises(ImageError, match="image at position 5: the server refuses it: Unknown"):
        answers[5].result  # noqa: B018 - a property that raises


def test_lists_raise_for_the_first_bad_image(peer, connect, gray, tmp_path, ask) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    with pytest.raises(ImageError, match=r"bad\.jpg: the server refuses it: Unknown") as caught:
        ask(connect(batch_size=4, in_flight=1), "predict", [*[gray(1)] * 10, bad, gray(1)])
    assert caught.value.position == 10
    assert "position" not in str(caught.value)
    assert peer.sent() == [4, 4, 4, 3]  # a named position costs one more request


def test_answers_larger_than_a_message_are_asked_for_by_halves(peer, connect, gray) -> None:
    peer.heatmap_side = 300  # 0.34 MiB an image
    images = [gray(value) for value in range(8)]
    client = connect(max_message_bytes=2**20)
    dark = [one.probability for one in client.explain(images)]
    assert dark == pytest.approx([1 - value / 255 for value in range(8)])
    assert peer.sent() == [8, 4, 2, 2, 2, 2]
    peer.heatmap_side = 600
    with pytest.raises(ServingError, match="larger than max") as caught:
        client.explain(images)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_server_that_will_not_send_so_much_is_asked_for_halves(peer, connect, gray) -> None:
    refusal = (grpc.StatusCode.RESOURCE_EXHAUSTED, "the answer takes 9 bytes, at most 8 are sent")
    peer.fail = [refusal]
    client = connect(attempts=1)
    assert len(client.predict([gray(0)] * 5)) == 5
    assert peer.sent() == [5, 2, 2, 1]
    peer.fail = [refusal]
    with pytest.raises(ServingError, match="the answer takes"):
        client.predict([gray(0)])
    peer.fail = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")]
    with pytest.raises(ServingError, match="limit exceeded"):
        client.predict([gray(0)] * 5)


def test_what_is_not_about_a_image_is_not_blamed_on_one(peer, connect, gray) -> None:
    refusals = [
        "input size does not match signature: 1!=2",
        "input image_bytes, position 0: class_index: expected -1 or one of 0 to 1; found 7",
        "output tensor alias not found in signature: mask",
    ]
    for details in refusals:
        peer.fail = [(grpc.StatusCode.INVALID_ARGUMENT, details)]
        with pytest.raises(ServingError) as caught:
            list(connect().explain_stream([gray(0), gray(1)], class_index=7))
        assert caught.value.details == details
    assert len(peer.requests) == len(refusals)


def test_class_index_is_a_vector(peer, connect, gray) -> None:
    connect().explain([gray(0), gray(1), gray(2)], class_index=1)
    index = peer.requests[0].inputs["class_index"]
    assert [dim.size for dim in index.tensor_shape.dim] == [3]
    assert list(index.tensor_content) == [1, 0, 0, 0] * 3


def test_versions_and_labels_are_asked_for(peer, connect, gray) -> None:
    for more in ({"version": 7}, {"label": "canary"}, {}):
        connect(model_name="pets", **more).predict([gray(0)])
    first, second, third = (request.model_spec for request in peer.requests)
    assert (first.name, first.version.value) == ("pets", 7)
    assert second.version_label == "canary"
    assert third.WhichOneof("version_choice") is None


def test_a_model_without_class_names_is_asked_for_them_once(peer, connect, gray, stream) -> None:
    peer.classes = None
    answers = stream(connect(batch_size=2, in_flight=1), [gray(0)] * 6)
    assert {answer.result.classes for answer in answers} == {("0", "1")}
    asked = ["classes" in request.output_filter for request in peer.requests]
    assert asked == [True, False, False, False]
