"""Predict over real sockets, asked by TensorFlow Serving's own stubs."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import input_pb2

from serving.server import servable
from serving.server.servable import Servable


def test_pictures(stub, predicting, ask, grays) -> None:
    request = predicting("pictures", signature="", image_bytes=grays(51, 204))
    answer = ask(request)
    assert answer["label"].tolist() == [b"cat", b"dog"]
    np.testing.assert_allclose(answer["probabilities"], [[0.8, 0.2], [0.2, 0.8]], atol=1e-6)
    spec = stub.Predict(request, timeout=60).model_spec
    assert (spec.name, spec.version.value) == ("pictures", 2)
    assert spec.signature_name == "serving_default"


def test_defaults_of_the_signature_are_filled_in(ask, grays) -> None:
    for more, label in ({}, b"cat"), ({"class_index": np.int32(1)}, b"dog"):
        answer = ask("pictures", "grad_cam", image_bytes=grays(51), **more)
        assert answer["label"].tolist() == [label]


def test_variables_and_assets_below_a_base_path_like_a_file_pattern(
    start_here, answer_of, tmp_path
) -> None:
    """The asset is read whenever the model likes."""
    (tmp_path / "names.txt").write_text("low high")
    module, base = tf.Module(), tmp_path / "a[b]{c}*d?"
    module.names = tf.saved_model.Asset(str(tmp_path / "names.txt"))
    module.told = tf.Variable("as told: ")

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="text")])
    def read(text):
        return {"y": text + module.told + tf.io.read_file(module.names.asset_path)}

    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=read)
    base.mkdir()
    (tmp_path / "saved").rename(base / "1")
    with start_here({"m[1]": base}).stub() as stub:
        assert answer_of(stub, "m[1]", text="y ")["y"] == b"y as told: low high"


def test_answers_are_the_saved_models_own(ask, saved_model) -> None:
    x = np.array([[1.5, -2.0], [3.25, 0.0]], np.float32)
    n = np.array(3, np.int64)
    numbers = tf.saved_model.load(str(saved_model)).signatures["numbers"]
    direct = numbers(x=tf.constant(x), n=tf.constant(n))
    served = ask("pictures", "numbers", x=x, n=n)
    assert set(served) == set(direct)
    for name, value in direct.items():
        assert served[name].dtype == value.numpy().dtype
        np.testing.assert_array_equal(served[name], value.numpy())


def test_only_the_filtered_outputs_are_computed(stub, ask, predicting, grays, refusal) -> None:
    # Its other output fails on anything but a PNG.
    request = predicting("pictures", "partly", "count", image_bytes=grays(b"no picture"))
    assert ask(request) == {"count": 1.0}
    del request.output_filter[:]
    assert refusal(stub.Predict, request)[0] == "INVALID_ARGUMENT"


def test_numbers_come_in_their_field_or_as_content(stub, start_here, bases, predicting, grays):
    request = predicting("pictures", "", "probabilities", image_bytes=grays(204))
    (output,) = stub.Predict(request, timeout=60).outputs.values()
    assert list(output.float_val) == pytest.approx([0.2, 0.8])
    assert not output.tensor_content
    as_content = {"enable_serialization_as_tensor_content": True}
    with start_here({"pictures": bases["pictures"]}, **as_content).stub() as other:
        (output,) = other.Predict(request, timeout=60).outputs.values()
    assert np.frombuffer(output.tensor_content, np.float32).tolist() == pytest.approx([0.2, 0.8])
    assert not output.float_val


def test_numbers_are_understood_in_the_field_of_their_type(ask, predicting) -> None:
    request = predicting("pictures", "numbers", x=np.ones((2, 2), np.float32), n=np.int64(2))
    request.inputs["x"].ClearField("tensor_content")  # as which all other tests send them
    request.inputs["x"].float_val[:] = [1.0]  # stands for all four
    assert ask(request)["scaled"].tolist() == [[2.0, 2.0], [2.0, 2.0]]


NUMBERS = ["float64", "float16", "bfloat16", "int8", "int16", "int32", "int64"]
NUMBERS += ["uint8", "uint16", "uint32", "uint64"]
VALUES = {
    "bool": [True, False, True],
    "string": [b"\xff\x00", b"", b"text\x00"],
    "float32": [1.5, -0.0, np.nan],
    "complex64": [1 + 2j, 0j, -1j],
    "complex128": [1 + 2j, 0j, -1j],
}


def test_every_type_comes_back(stub, predicting) -> None:
    for name in (*VALUES, *NUMBERS):
        dtype = tf.as_dtype(name)
        values = np.array(VALUES.get(name, [1, 2, 100]))
        array = values.astype(object if name == "string" else dtype.as_numpy_dtype)
        for shape in ([3], [3, 1], [0, 2]):
            count = int(np.prod(shape))
            sent = array[:count].reshape(shape)
            proto = tf.make_tensor_proto(values[:count].tolist(), dtype, shape)
            request = predicting("types", name, x=proto)
            output = stub.Predict(request, timeout=60).outputs["y"]
            assert output.dtype == dtype.as_datatype_enum, name
            np.testing.assert_array_equal(tf.make_ndarray(output), sent, err_msg=name)


def test_quantized_numbers_stay_quantized(stub, predicting) -> None:
    request = predicting("types", "qint8", x=np.array([1, -7], np.int8))
    request.inputs["x"].dtype = tf.qint8.as_datatype_enum
    output = stub.Predict(request, timeout=60).outputs["y"]
    assert output.dtype == tf.qint8.as_datatype_enum
    output.dtype = tf.int8.as_datatype_enum
    assert tf.make_ndarray(output).tolist() == [1, -7]


def test_bfloat16_comes_in_its_field(stub, predicting) -> None:
    value = tf.make_tensor_proto([1.5, -2.0], tf.bfloat16)
    output = stub.Predict(predicting("types", "bfloat16", x=value), timeout=60).outputs["y"]
    assert list(output.half_val) == [0x3FC0, 0xC000]  # the upper halves of float32
    assert not output.tensor_content


def test_models_of_tensorflow_1(ask, fill_examples) -> None:
    source = input_pb2.Input()
    fill_examples(source, 0.25, 1.0)
    examples = [example.SerializeToString() for example in source.example_list.examples]
    answer = ask("old", inputs=examples)
    assert answer["x"].tolist() == [0.25, 1.0]
    # From a table that the model initialises from a file of its own.
    assert answer["classes"].tolist() == [[b"low", b"high"]] * 2


def test_shapes_are_for_the_graph_to_judge(ask) -> None:
    """An input [-1, 2] in the signature; of TensorFlow 1, see rest/test_predict.py."""
    answer = ask("pictures", "numbers", x=np.ones((2, 3), np.float32), n=np.int64(3))
    assert answer["scaled"].tolist() == [[3.0] * 3] * 2


def test_ever_new_sets_of_outputs_do_not_fill_the_memory(saved_model, monkeypatch, grays, runs):
    """TensorFlow keeps a plan for each; beyond a limit the whole signature's serves."""
    monkeypatch.setattr(servable, "_MAX_PLANS", 2)
    model = Servable(saved_model, 1)
    runs.fetched.clear()

    name, arrays = "serving_default", {"image_bytes": grays(51)}
    every = model.run(arrays, {name: list(model.signatures[name].outputs)})[name]
    for wanted in (["label"], ["mask"], ["probability", "mask"], ["mask", "probability"]):
        answer = model.run(arrays, {name: wanted})[name]
        assert set(answer) == set(wanted)
        for output, value in answer.items():
            np.testing.assert_array_equal(value, every[output])
    assert len(runs.fetched) == 2
    model.close()
