"""The access log: what stands in it, and that it holds nobody up."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from serving.errors import InputError
from serving.server.access_log import AccessLog
from serving.server.faults import Fault
from serving.server.line_writer import LineWriter
from serving.server.observer import Observer


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_for_each_request(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    path.write_text("{}\n")  # appended to, not overwritten
    observer = Observer(access_log=AccessLog(str(path)))
    before = datetime.now(UTC)
    with observer.call("grpc", "Predict", "id-1", "ipv4:10.0.0.1:2345") as call:
        call.model, call.version, call.signature, call.batch_size = "pets", 3, "grad_cam", 2
        time.sleep(0.02)
    with pytest.raises(Fault), observer.call("rest", "predict"):
        raise Fault(grpc.StatusCode.NOT_FOUND, 'no "such"\nmodel')
    with pytest.raises(Fault, match="internal error"), observer.call("rest", "status") as call:
        call.model = call.signature = "x" * 10**6
        _ = 1 / 0
    observer.close()
    _, answered, refused, broken = _lines(path)
    assert abs((datetime.fromisoformat(answered.pop("time")) - before).total_seconds()) < 5
    assert 20 <= answered.pop("ms") < 5000
    assert answered == {
        "request_id": "id-1",
        "api": "grpc",
        "method": "Predict",
        "model": "pets",
        "version": 3,
        "signature": "grad_cam",
        "batch_size": 2,
        "peer": "ipv4:10.0.0.1:2345",
        "status": "OK",
    }
    assert (refused["status"], refused["error"]) == ("NOT_FOUND", 'no "such"\nmodel')
    assert refused["model"] is refused["version"] is refused["signature"] is None
    assert len(refused["request_id"]) == 32
    assert len(broken["model"]) == len(broken["signature"]) == 500
    assert (broken["status"], broken["error"]) == ("INTERNAL", "internal error: ZeroDivisionError")


@pytest.mark.parametrize("sent", ["", None, "x" * 129, "a\nb", "ä", "\x7f"])
def test_a_request_id_that_is_none_is_replaced(sent: str | None) -> None:
    with Observer().call("grpc", "Predict", sent) as call:
        assert call.request_id != sent
        assert len(call.request_id) == 32


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--access_log: expected .* found .*absent"):
        AccessLog(str(tmp_path / "absent" / "log"))


def test_a_full_pipe_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Standard error is often a pipe, and who made it may not read it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    observer = Observer(access_log=AccessLog(str(pipe)))
    started = time.perf_counter()
    for _ in range(15_000):
        with observer.call("grpc", "Predict"):
            pass
    assert time.perf_counter() - started < 30
    assert "access log is behind" in caplog.text
    assert caplog.text.count("told once") == 1
    os.close(reader)  # the writer gets EPIPE and ends
    observer.close()


def test_a_disk_that_takes_nothing_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    observer = Observer(access_log=AccessLog("/dev/full"))
    for _ in range(3):
        with observer.call("grpc", "Predict"):
            pass
    observer.close()
    assert "access log cannot be written" in caplog.text


def test_a_line_that_cannot_be_made_loses_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    written: list[int] = []
    writer: LineWriter[int] = LineWriter("test", lambda item: written.append(10 // item), 10)
    for item in (1, 0, 2, 5):
        assert writer.put(item)
    writer.close()
    assert written == [10, 5, 2]
    assert "lost a line: ZeroDivisionError" in caplog.text
    assert not writer.put(1)
