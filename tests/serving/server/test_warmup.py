"""Recorded requests are replayed before a version goes live; a bad recording keeps it from that."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.names import ASSETS_EXTRA, WARMUP_FILE
from serving.server.core import Core
from serving.server.faults import Fault
from serving.server.loading import make_load
from serving.server.metrics import Metrics
from serving.server.options import parse_flags


@pytest.fixture
def version(types_model: Path, tmp_path: Path) -> Path:
    """A version's folder whose `assets.extra` is the test's own."""
    folder = tmp_path / "base" / "1"
    folder.mkdir(parents=True)
    for path in types_model.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / ASSETS_EXTRA).mkdir()
    return folder


def _predict(**more: object) -> bytes:
    log = PredictionLog()
    for name, value in ({"image_bytes": [b"a", b"b"]} | more).items():
        log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString()


def _with_examples() -> list[bytes]:
    classify, regress = ({"name": "not its", "signature_name": x} for x in ("classify", "regress"))
    examples = {"example_list": {"examples": [{}]}}
    tasks = [{"model_spec": classify, "method_name": "tensorflow/serving/classify"}]
    logs = (
        PredictionLog(classify_log={"request": {"model_spec": classify, "input": examples}}),
        PredictionLog(regress_log={"request": {"model_spec": regress, "input": examples}}),
        PredictionLog(multi_inference_log={"request": {"tasks": tasks, "input": examples}}),
        PredictionLog(),
    )
    return [log.SerializeToString() for log in logs]


def _write(version: Path, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(version / ASSETS_EXTRA / WARMUP_FILE)) as writer:
        for record in records:
            writer.write(record)


SPEC = ModelSpec(name="default")
ONE = {"image_bytes": np.array([b"a"], object)}


@contextmanager
def _core(version: Path, *flags: str, metrics: Metrics | None = None) -> Iterator[tuple]:
    """A core, and the configuration that makes it load."""
    options = parse_flags([f"--model_base_path={version.parent}", *flags])
    core = Core(make_load(options, metrics or Metrics()))
    try:
        yield core, options.config
    finally:
        core.close()


@pytest.mark.parametrize(
    ("records", "flags", "expected"),
    [
        (list, [], 0),
        (lambda: 2 * [_predict()], [], 2),
        (lambda: 2 * [_predict()], ["--num_request_iterations_for_warmup=3"], 6),
        (lambda: 2 * [_predict()], ["--enable_model_warmup=false"], 0),
        (_with_examples, [], 3),
        (lambda: [b"", _predict()], [], 1),  # an empty one is passed over
        (lambda: 1000 * [b""], [], 0),
    ],
)
def test_recorded_requests_are_run(version, runs, records, flags, expected):
    if made := records():
        _write(version, made)
    with _core(version, *flags) as (core, config):
        core.reload(config)
    assert len(runs.begun) == expected


@pytest.mark.parametrize(
    ("records", "code", "words"),
    [
        (lambda: [_predict(), _predict(z=1.0)], 3, "warm-up record 2: input"),
        (lambda: [b"\xff\xff"], 3, "Failed to parse warmup record"),
        (lambda: [PredictionLog(session_run_log={}).SerializeToString()], 12, "session_run_log"),
        (lambda: 1001 * [b""], 3, "Number of warmup records exceeds the maximum (1000)"),
    ],
)
def test_a_recording_that_fails_keeps_the_version_from_going_live(version, records, code, words):
    _write(version, records())
    with _core(version) as (core, config):
        with pytest.raises(Fault, match="did not become available"):
            core.reload(config)
        status = core.statuses(SPEC)[0].status
    assert status.error_code == code
    assert words in status.error_message


def test_a_file_of_something_else(version: Path) -> None:
    (version / ASSETS_EXTRA / WARMUP_FILE).write_bytes(os.urandom(100))
    match = "Please verify your warmup data is in TFRecord format"
    with _core(version) as (core, config), pytest.raises(Fault, match=match):
        core.reload(config)


def _second(version: Path) -> Path:
    newer = version.with_name("2")
    (newer / ASSETS_EXTRA).mkdir(parents=True)
    for path in version.iterdir():
        if path.name != ASSETS_EXTRA:
            (newer / path.name).symlink_to(path)
    return newer


def test_a_version_goes_live_ready_for_what_the_last_was_asked(version, runs) -> None:
    _write(version, [_predict()])
    with _core(version) as (core, config):

        def ask() -> int:
            with core.lease(SPEC) as servable:
                servable.run(ONE, {"serving_default": ["length"]})
                return servable.version

        core.reload(config)
        assert (ask(), len(runs.plans)) == (1, 2)  # the record asks for all outputs
        _write(_second(version), [_predict()])
        core.refresh()
        begun = len(runs.begun)
        assert len(runs.plans) == 4
        assert (ask(), len(runs.plans)) == (2, 4)
    assert len(runs.begun) == begun + 1


def test_the_old_version_serves_on_and_the_status_tells_why(version: Path) -> None:
    metrics = Metrics()
    with _core(version, "--enable_batching", metrics=metrics) as (core, config):
        core.reload(config)
        _write(_second(version), [_predict(z=1.0)])
        core.refresh()
        with core.lease(SPEC) as servable:
            assert servable.version == 1
            servable.run(ONE, {"serving_default": ["length"]})
        told = core.statuses(SPEC)[0]
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert (told.version, told.status.error_code) == (2, invalid.value[0])
    assert "warm-up record 1" in told.status.error_message
    assert 'status="INVALID_ARGUMENT"' in metrics.page()
    assert re.search(r'load_attempt_count\{model_path=".*/1",status="success"\} 1', metrics.page())
    assert re.search(r"queuing_latency_count\{.*\} 1", metrics.page())
