"""TensorFlow Lite models, over real sockets; expected values are NumPy's."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.schema_py_generated import BufferT, MetadataT, Model, ModelT
from flatbuffers import Builder, flexbuffers
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus

from serving.server.observer import Observer
from serving.server.options import DEFAULTS
from serving.server.rest.server import RestServer
from serving.server.service import Service

# What the converter calls the tensors x and n, and the outputs `sum` and `twice`.
X, N = "serving_default_x", "serving_default_n"
SUM, TWICE = "PartitionedCall:0", "PartitionedCall"


def _build_numbers(folder: Path) -> None:
    """The same two functions as a SavedModel and, one more, as TensorFlow Lite."""

    def built(more: float) -> Any:
        x = tf.TensorSpec([None, 2], tf.float32, name="x")
        n = tf.TensorSpec([None], tf.int32, name="n")

        @tf.function(input_signature=[x, n])
        def numbers(x, n):
            return {"sum": tf.reduce_sum(x, 1) + tf.cast(n, tf.float32) + more, "twice": 2 * x}

        return numbers

    tf.saved_model.save(tf.Module(), str(folder), signatures=built(0.0))
    function = built(1.0).get_concrete_function()
    made = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    (folder / "model.tflite").write_bytes(made)


def _build_strings(path: Path, signatures: dict[str, tuple[str, str, str]]) -> None:
    """Strings in and out; the metadata tells signatures: input, output and output's tensor."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def strings(text):
        return {"same": tf.reshape(text, [-1, 1])}

    function = strings.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    model = ModelT.InitFromObj(Model.GetRootAs(converter.convert()))
    values = flexbuffers.Builder()
    with values.Map():
        for key, (into, out, tensor) in signatures.items():
            made = SignatureDef(method_name="tensorflow/serving/predict")
            made.inputs[into].name, made.outputs[out].name = "serving_default_text:0", tensor
            made.inputs[into].dtype = made.outputs[out].dtype = tf.string.as_datatype_enum
            values.Key(key)
            values.String(made.SerializeToString().decode("ascii"))
    model.metadata = [*(model.metadata or []), MetadataT()]
    model.metadata[-1].name = "signature_defs_metadata"
    model.metadata[-1].buffer = len(model.buffers)
    model.buffers.append(BufferT())
    model.buffers[-1].data = list(values.Finish())
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


@pytest.fixture(scope="session")
def lite_bases(tmp_path_factory) -> dict[str, Path]:
    """`numbers`: version 1 with both files, 2 is broken; `strings`: model.tflite alone."""
    folder = tmp_path_factory.mktemp("lite")
    _build_numbers(folder / "numbers" / "1")
    (folder / "numbers" / "2").mkdir()
    (folder / "numbers" / "2" / "model.tflite").write_bytes(b"TFL3" * 9)
    (folder / "strings" / "1").mkdir(parents=True)
    told = {
        "serving_default": ("inputs", "classes", "PartitionedCall:0"),
        "other": ("text", "same", "PartitionedCall:0"),
    }
    _build_strings(folder / "strings" / "1" / "model.tflite", told)
    return {name: folder / name for name in ("numbers", "strings")}


@pytest.fixture(scope="session")
def lite(lite_bases, start_here) -> Any:
    return start_here(lite_bases, prefer_tflite_model=True, num_tflite_pools=2)


@pytest.fixture
def lite_stub(lite) -> Iterator[Any]:
    with lite.stub() as stub:
        yield stub


@pytest.fixture
def ask(lite_stub, answer_of) -> Callable[..., dict[str, np.ndarray]]:
    return partial(answer_of, lite_stub)


def _numbers(rows: int) -> dict[str, np.ndarray]:
    x = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    return {X: x, N: np.arange(rows, dtype=np.int32)}


def test_batches_of_any_size_from_many_threads(ask) -> None:
    def check(rows: int) -> None:
        fed = _numbers(rows)
        found = ask("numbers", **fed)
        assert sorted(found) == sorted([SUM, TWICE])
        np.testing.assert_allclose(found[SUM], fed[X].sum(1) + fed[N] + 1)
        np.testing.assert_allclose(found[TWICE], 2 * fed[X])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, [1, 3, 1, 1, 7, 2, 0, 7] * 5))


def test_metadata_tells_the_files_tensors(lite_stub) -> None:
    spec = {"name": "numbers"}
    request = GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    told = SignatureDefMap()
    lite_stub.GetModelMetadata(request, timeout=60).metadata["signature_def"].Unpack(told)
    assert list(told.signature_def) == ["serving_default"]
    signature = told.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    info = signature.inputs[X]
    assert (info.name, info.dtype) == (f"{X}:0", 1)  # DT_FLOAT
    assert [dim.size for dim in info.tensor_shape.dim] == [1, 2]


def test_over_rest(lite) -> None:
    observer = Observer()
    server = RestServer(Service(lite.core, observer), observer, DEFAULTS)
    url = f"http://127.0.0.1:{server.port}/v1/models/numbers:predict"
    rows = [{X: [1.0, 2.0], N: 3}, {X: [0.5, 0.0], N: 0}]
    answer = httpx.post(url, json={"instances": rows}, timeout=60)
    refused = httpx.post(url, json={"inputs": {X: [[1.0, 2.0]] * 3, N: [1, 2]}}, timeout=60)
    server.stop(10)
    expected = [{SUM: 7.0, TWICE: [2.0, 4.0]}, {SUM: 1.5, TWICE: [1.0, 0.0]}]
    assert answer.json()["predictions"] == expected
    assert refused.status_code == 400


def test_shapes_that_do_not_fit(ask, lite_stub, predicting, refusal) -> None:
    wrong = _numbers(3) | {N: np.zeros(2, np.int32)}
    messages = {refusal(lite_stub.Predict, predicting("numbers", **wrong)) for _ in range(4)}
    ((code, message),) = messages  # one does not repeat those before it
    assert code == "INVALID_ARGUMENT"
    assert "prepare" in message
    assert "\n" not in message
    assert refusal(lite_stub.Predict, predicting("numbers", **_numbers(1) | {X: 1.0}))
    for sizes in ([3, 1], [2, 0], [2, 2, 2]):  # its kernels would read what lies behind
        fed = predicting("numbers", **_numbers(2) | {X: np.zeros(sizes, np.float32)})
        told = f"serving_default_x:0: expected the sizes [-1, 2], found {sizes}"
        assert refusal(lite_stub.Predict, fed) == ("INVALID_ARGUMENT", told)
    for _ in range(4):
        assert ask("numbers", **_numbers(1))[SUM].tolist() == [2.0]


def test_signatures_of_the_files_metadata(ask, lite_stub, predicting, refusal) -> None:
    texts = np.array([b"zero at the end\0", b"\xff", b""], object)
    assert ask("strings", "other", text=texts)["same"].ravel().tolist() == texts.tolist()
    # A scalar is one string: LiteRT would answer with what lies at a wrong address.
    assert ask("strings", "other", text=b"alone")["same"].tolist() == [[b"alone"]]
    third = predicting("strings", "third", text=texts)
    assert refusal(lite_stub.Predict, third)[0] == "FAILED_PRECONDITION"
    request = ClassificationRequest(model_spec={"name": "strings"})
    example = request.input.example_list.examples.add()
    example.features.feature["x"].int64_list.value.append(1)
    (row,) = lite_stub.Classify(request, timeout=60).result.classifications
    assert row.classes[0].label.encode() == example.SerializeToString()


def test_a_file_that_is_broken_is_a_version_that_does_not_load(lite_stub, lite_bases) -> None:
    request = GetModelStatusRequest(model_spec={"name": "numbers"})
    broken, whole = lite_stub.GetModelStatus(request, timeout=60).model_version_status
    assert (whole.version, whole.state) == (1, ModelVersionStatus.AVAILABLE)
    assert (broken.version, broken.state) == (2, ModelVersionStatus.END)
    path = lite_bases["numbers"] / "2" / "model.tflite"
    assert broken.status.error_message.startswith(f"LiteRT cannot run {path}: ")


def test_signatures_that_name_no_tensor(tmp_path, start_here) -> None:
    (tmp_path / "1").mkdir()
    _build_strings(tmp_path / "1" / "model.tflite", {"a": ("text", "same", "absent:0")})
    with pytest.raises(Exception, match="Signature's same references an unknown tensor: absent"):
        start_here({"m": tmp_path}, prefer_tflite_model=True)


def test_without_the_flag(lite_bases, start_here, answer_of) -> None:
    with pytest.raises(Exception, match=r"strings.*model.tflite needs --prefer_tflite_model"):
        start_here(lite_bases)
    server = start_here({"numbers": lite_bases["numbers"]})
    with server.stub() as stub:
        assert answer_of(stub, "numbers", x=_numbers(1)[X], n=_numbers(1)[N])["sum"] == [1.0]
