"""Our messages against TensorFlow's: the same fields, the same bytes, the same arrays."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from tensorflow.core.framework import tensor_pb2 as tf_tensor
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2  # noqa: F401 - their messages

from serving.wire import messages_pb2
from serving.wire.tensors import MAX_TENSOR_BYTES, TensorError, fill_proto, to_array

# Fields of theirs that no one here needs.
LEFT_OUT = {
    "TensorProto": {"resource_handle_val", "variant_val", "float8_val"},
    "TensorInfo": {"composite_tensor"},
    "PredictRequest": {"predict_streamed_options", "client_id", "request_options"},
}


def _theirs() -> dict[str, type]:
    found = {}
    for name in messages_pb2.DESCRIPTOR.message_types_by_name:
        for package in ("tensorflow.serving", "tensorflow"):
            with contextlib.suppress(KeyError):
                descriptor = descriptor_pool.Default().FindMessageTypeByName(f"{package}.{name}")
                found[name] = GetMessageClass(descriptor)
    return found


def _type_name(full_name: str) -> str:
    for package in ("pawlens.wire.", "tensorflow.serving.", "tensorflow."):
        full_name = full_name.removeprefix(package)
    return full_name


def _facts(field: FieldDescriptor) -> tuple:
    return (
        field.number,
        field.type,
        field.is_repeated,
        _type_name(field.message_type.full_name) if field.message_type else None,
        field.containing_oneof.name if field.containing_oneof else None,
    )


def _compare(ours: Descriptor, theirs: Descriptor) -> None:
    left_out = LEFT_OUT.get(ours.name, set())
    assert {f.name for f in theirs.fields} - left_out == {f.name for f in ours.fields}
    for field in ours.fields:
        other = theirs.fields_by_name[field.name]
        assert _facts(field) == _facts(other), field.full_name
        for value in field.enum_type.values if field.enum_type else ():
            known = other.enum_type.values_by_name[value.name]
            assert known.number == value.number, value.name
    for name, nested in ours.nested_types_by_name.items():
        _compare(nested, theirs.nested_types_by_name[name])


def test_every_field_is_theirs() -> None:
    theirs = _theirs()
    assert len(theirs) == 14
    for name, message in theirs.items():
        _compare(getattr(messages_pb2, name).DESCRIPTOR, message.DESCRIPTOR)


def test_signatures_survive_with_what_we_leave_out() -> None:
    theirs = meta_graph_pb2.SignatureDef(method_name="predict")
    theirs.inputs["x"].name = "x:0"
    theirs.inputs["c"].composite_tensor.components.add(name="c:0")
    theirs.defaults["x"].int_val.append(-1)
    ours = messages_pb2.SignatureDef.FromString(theirs.SerializeToString())
    assert ours.inputs["x"].WhichOneof("encoding") == "name"
    assert list(ours.defaults["x"].int_val) == [-1]
    assert meta_graph_pb2.SignatureDef.FromString(ours.SerializeToString()) == theirs


NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16")


@pytest.mark.parametrize("as_content", [True, False])
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 3), (2, 1, 2)])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_arrays_mean_the_same_to_tensorflow(dtype: str, shape: tuple, as_content: bool) -> None:
    values = np.resize([0, 1, 2, 3, 100, 1], shape).astype(dtype)
    if values.dtype.kind in "if":
        values[values == 0] = -3
    proto = messages_pb2.TensorProto()
    fill_proto(proto, values, as_content=as_content)
    assert bool(proto.tensor_content) is (as_content and values.size > 0)
    theirs = tf_tensor.TensorProto.FromString(proto.SerializeToString())
    parsed = tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(values.dtype))
    np.testing.assert_array_equal(parsed.numpy(), values)
    np.testing.assert_array_equal(tf.make_ndarray(theirs), values)
    back = to_array(messages_pb2.TensorProto.FromString(theirs.SerializeToString()))
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def _proto(sizes: list[int], **fields: object) -> messages_pb2.TensorProto:
    return messages_pb2.TensorProto(tensor_shape={"dim": [{"size": x} for x in sizes]}, **fields)


@pytest.mark.parametrize("given", [[], [5], [5, 6], [5, 6, 7, 8]])
def test_short_lists_are_continued_like_tensorflow_does(given: list[int]) -> None:
    proto = _proto([4], dtype=messages_pb2.DT_INT32, int_val=given)
    expected = tf.io.parse_tensor(proto.SerializeToString(), tf.int32).numpy()
    np.testing.assert_array_equal(to_array(proto), expected)


def test_strings_in_tensor_content() -> None:
    proto = _proto([2], dtype=7, tensor_content=b"\xac\x02\x01" + b"a" * 300 + b"b")
    expected = tf.io.parse_tensor(proto.SerializeToString(), tf.string).numpy()
    assert to_array(proto).tolist() == expected.tolist() == [b"a" * 300, b"b"]


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (_proto([2], dtype=1, tensor_content=b"1234567"), "7 bytes"),
        (_proto([-1], dtype=1, float_val=[1.0]), "negative"),
        (_proto([2**20, 2**20], dtype=1, float_val=[1.0]), str(MAX_TENSOR_BYTES)),
        (_proto([2**40], dtype=7, string_val=[b"x"]), str(MAX_TENSOR_BYTES)),
        (_proto([1], dtype=20), "resource"),
        (_proto([1], dtype=999), "type 999"),
        (_proto([2], dtype=7, tensor_content=b"\x01"), "cut off"),
        (_proto([1], dtype=7, tensor_content=b"\x05ab"), "length"),
        (_proto([1] * 40, dtype=1), "dimensions"),
    ],
)
def test_nonsense_is_refused(proto: messages_pb2.TensorProto, message: str) -> None:
    with pytest.raises(TensorError, match=message):
        to_array(proto)
