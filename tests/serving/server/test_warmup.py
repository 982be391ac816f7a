"""Recorded requests are replayed before a version goes live; a bad recording keeps it from that."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from components.export.signatures import finish_signatures
from serving.names import ASSETS_EXTRA, WARMUP_FILE
from serving.server.core import Core
from serving.server.faults import Fault
from serving.server.flags import parse_flags
from serving.server.loading import make_load
from serving.server.metrics import Metrics


@pytest.fixture(scope="module")
def counting_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts its runs; `count` tells them."""
    import tensorflow as tf

    module = tf.Module()
    module.runs = tf.Variable(0)

    def counted(values):
        with tf.control_dependencies([module.runs.assign_add(1)]):
            return tf.identity(values)

    examples = tf.TensorSpec([None], tf.string, name="inputs")

    @tf.function(input_signature=[examples])
    def classify(inputs):
        size = tf.shape(inputs)[0]
        return {"classes": tf.fill([size, 1], "cat"), "scores": counted(tf.ones([size, 1]))}

    @tf.function(input_signature=[examples])
    def regress(inputs):
        return {"outputs": counted(tf.ones([tf.shape(inputs)[0], 1]))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(x):
        return {"y": counted(2.0 * x)}

    @tf.function(input_signature=[])
    def count():
        return {"runs": tf.identity(module.runs)}

    folder = tmp_path_factory.mktemp("model") / "saved"
    signatures = {
        "classify": classify,
        "regress": regress,
        "serving_default": predict,
        "count": count,
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    finish_signatures(
        folder, {name: f"tensorflow/serving/{name}" for name in ("classify", "regress")}
    )
    return folder


@pytest.fixture
def version(counting_model: Path, tmp_path: Path) -> Path:
    """A version's folder whose `assets.extra` is the test's own."""
    folder = tmp_path / "base" / "1"
    folder.mkdir(parents=True)
    for path in counting_model.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / ASSETS_EXTRA).mkdir()
    return folder


def _predict_log():
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    log = PredictionLog()
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
    return log


def _example_logs():
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    example = tf.train.Example()
    classify, regress, several = PredictionLog(), PredictionLog(), PredictionLog()
    request = classify.classify_log.request
    request.model_spec.name = "another name than the one it is served under"
    request.model_spec.signature_name = "classify"
    request.input.example_list.examples.append(example)
    regress.regress_log.request.model_spec.signature_name = "regress"
    regress.regress_log.request.input.example_list.examples.append(example)
    multi = several.multi_inference_log.request
    multi.input.example_list.examples.append(example)
    task = multi.tasks.add(method_name="tensorflow/serving/classify")
    task.model_spec.name, task.model_spec.signature_name = "m", "classify"
    return [classify, regress, several]


def _write(version: Path, records: list[bytes]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(version / ASSETS_EXTRA / WARMUP_FILE)) as writer:
        for record in records:
            writer.write(record)


@contextmanager
def _loaded(version: Path, *flags: str) -> Iterator[int]:
    """How often the model ran until it went live."""
    options = parse_flags([f"--model_base_path={version.parent}", *flags])
    core = Core(make_load(options, Metrics()))
    try:
        core.reload(options.config)
        spec = _spec()
        with core.lease(spec) as servable:
            yield int(servable.predict("count", {}, [])["runs"])
    finally:
        core.close()


def _spec():
    from tensorflow_serving.apis.model_pb2 import ModelSpec

    return ModelSpec(name="default")


def test_without_a_recording(version: Path) -> None:
    with _loaded(version) as runs:
        assert runs == 0


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([], 2), (["--num_request_iterations_for_warmup=3"], 6), (["--enable_model_warmup=false"], 0)],
)
def test_predict_requests(version: Path, flags: list[str], expected: int) -> None:
    _write(version, 2 * [_predict_log().SerializeToString()])
    with _loaded(version, *flags) as runs:
        assert runs == expected


def test_requests_with_examples(version: Path) -> None:
    _write(version, [log.SerializeToString() for log in _example_logs()])
    with _loaded(version) as runs:
        assert runs == 3


def test_an_empty_record_is_passed_over(version: Path) -> None:
    _write(version, [b"", _predict_log().SerializeToString()])
    with _loaded(version) as runs:
        assert runs == 1


def _unsupported() -> bytes:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    log = PredictionLog()
    log.session_run_log.SetInParent()
    return log.SerializeToString()


def _misfit() -> bytes:
    log = _predict_log()
    log.predict_log.request.inputs["z"].CopyFrom(log.predict_log.request.inputs["x"])
    return log.SerializeToString()


@pytest.mark.parametrize(
    ("records", "code", "words"),
    [
        (lambda: [_predict_log().SerializeToString(), _misfit()], 3, "warm-up record 2: input"),
        (lambda: [b"\xff\xff"], 3, "Failed to parse warmup record"),
        (lambda: [_unsupported()], 12, "session_run_log"),
        (lambda: 1001 * [b""], 3, "Number of warmup records exceeds the maximum (1000)"),
    ],
)
def test_a_recording_that_fails_keeps_the_version_from_going_live(
    version: Path, records: Callable[[], list[bytes]], code: int, words: str
) -> None:
    _write(version, records())
    options = parse_flags([f"--model_base_path={version.parent}"])
    core = Core(make_load(options, Metrics()))
    with pytest.raises(Fault, match="did not become available"):
        core.reload(options.config)
    status = core.statuses(_spec())[0].status
    assert status.error_code == code
    assert words in status.error_message


def test_a_thousand_records_are_not_too_many(version: Path) -> None:
    _write(version, 1000 * [b""])
    with _loaded(version) as runs:
        assert runs == 0


def test_a_file_of_something_else(version: Path) -> None:
    (version / ASSETS_EXTRA / WARMUP_FILE).write_bytes(os.urandom(100))
    match = "Please verify your warmup data is in TFRecord format"
    with pytest.raises(Fault, match=match), _loaded(version):
        pass


def test_the_old_version_serves_on_and_the_status_tells_why(version: Path) -> None:
    options = parse_flags([f"--model_base_path={version.parent}"])
    metrics = Metrics()
    core = Core(make_load(options, metrics))
    try:
        core.reload(options.config)
        newer = version.with_name("2")
        newer.mkdir()
        for path in version.iterdir():
            if path.name != ASSETS_EXTRA:
                (newer / path.name).symlink_to(path)
        (newer / ASSETS_EXTRA).mkdir()
        _write(newer, [_misfit()])
        core.refresh()
        with core.lease(_spec()) as servable:
            assert servable.version == 1
        status = core.statuses(_spec())[0]
        assert (status.version, status.status.error_code) == (
            2,
            grpc.StatusCode.INVALID_ARGUMENT.value[0],
        )
        assert "warm-up record 1" in status.status.error_message
        page = metrics.page()
        assert 'status="INVALID_ARGUMENT"' in page
    finally:
        core.close()
