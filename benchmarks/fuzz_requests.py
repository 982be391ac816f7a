"""Requests that no client should send, made by hypothesis.

Those over gRPC are made from the protocol itself.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from serving.results import Signature, Tensor

_NUMBERS = [0, 1, 1, 1, 2, 3, 7, 1000, 2**31 - 1, 2**31, 2**62]
_DEEPEST = 6  # messages in messages
_MOST = 3  # fields of a message, and elements of a field, beside those of a good request


def methods() -> dict[str, tuple[str, type]]:
    """Path and request's class of every method of TensorFlow Serving, by name."""
    from google.protobuf.message_factory import GetMessageClass
    from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

    return {
        method.name: (f"/{service.full_name}/{method.name}", GetMessageClass(method.input_type))
        for module in (prediction_service_pb2, model_service_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes with a few replaced, taken out, put in or cut off."""
    where = st.floats(0, 1, exclude_max=True)
    edit = st.tuples(where, st.sampled_from([0, 1, 4, len(data)]), st.binary(max_size=4))

    def apply(edits: list[tuple[float, int, bytes]]) -> bytes:
        changed = data
        for where, gone, new in edits:
            at = int(where * len(changed))
            changed = changed[:at] + new + changed[at + gone :]
        return changed

    return st.lists(edit, min_size=1, max_size=4).map(apply)


class Requests:
    """Requests to one served model.

    Args:
        model: its name.
        images: encoded ones that it takes.
        signatures: what it tells of them, by name.
    """

    def __init__(self, model: str, images: list[bytes], signatures: Mapping[str, Signature]):
        self._model, self._signatures = model, signatures
        inputs = [name for signature in signatures.values() for name in signature.inputs]
        good = st.sampled_from(images)
        self._image = images[0]
        self._images = st.one_of(good, good.flatmap(mutations), st.binary(max_size=20))
        self._texts = {
            "name": [model] * 20 + ["", "other", "a/b", "ü", "x" * 5000],
            "signature_name": [*list(signatures) * 4, "", "nope", "\n", "__saved_model_init_op"],
            "version_label": ["", "", "stable", "ü"],
            "method_name": [f"tensorflow/serving/{x}" for x in ("classify", "regress", "predict")],
            "output_filter": ["probability", "probability", "label", "heatmap", "nope"],
            "metadata_field": ["signature_def", "signature_def", "nope", ""],
            "base_path": ["", "/nothing/here", "relative", "s3://x"],
            "model_platform": ["tensorflow", "", "onnx"],
            # Keys of maps.
            "inputs": [*inputs, "", "x"],
            "feature": ["image/encoded", "image/label", "", "x"],
        }

    def grpc(self) -> st.SearchStrategy[tuple[str, bytes]]:
        """A method's path and the bytes of a request: well-formed, or mutated, or any."""
        there = methods()
        well_formed = st.sampled_from([*["Predict"] * 3, *there]).flatmap(
            lambda name: st.tuples(st.just(there[name][0]), self._well_formed(there[name][1]))
        )
        mutated = well_formed.flatmap(
            lambda pair: st.tuples(st.just(pair[0]), mutations(pair[1] or b"\n"))
        )
        paths = st.sampled_from([path for path, _ in there.values()])
        anything = st.tuples(paths, st.binary(max_size=64))
        return st.one_of(well_formed, well_formed, mutated, anything)

    def rest(self) -> st.SearchStrategy[tuple[str, str, bytes]]:
        """An HTTP method, a path (sendable as it is) and a body."""
        parts = (
            [self._model] * 6 + ["other", "%00", "..", "x" * 3000, "%zz", ""],
            [""] * 5
            + ["/versions/1", "/versions/0", "/versions/x", "/labels/stable", "/versions/"],
            [":predict"] * 5 + [":classify", ":regress", ":nope", "/metadata", "", ":", "/x"],
        )
        paths = st.tuples(*map(st.sampled_from, parts)).map(
            lambda path: f"/v1/models/{''.join(path)}"
        )
        others = st.sampled_from(["/", "/v1", "/v2/models/x", "/monitoring/prometheus/metrics?a=%"])
        others |= st.text("/:%ab1.?#;\\", max_size=20).map("/{}".format)
        good = json.dumps({"instances": [_json_image(self._image)]}).encode()
        bodies = st.one_of(
            self._bodies().map(lambda body: json.dumps(body).encode()),
            st.just(good),
            mutations(good),
            st.binary(max_size=64),
            st.sampled_from([b"", b"[" * 100_000, b'{"instances": NaN}', b"1e999", b"\xff"]),
        )
        ask = st.just(f"/v1/models/{self._model}:predict")
        verbs = st.sampled_from(["POST"] * 6 + ["GET", "GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
        return st.tuples(verbs, st.one_of(ask, paths, others), bodies)

    def _bodies(self) -> st.SearchStrategy[Any]:
        images = self._images.map(_json_image)
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
        fields = st.sampled_from([*self._texts["inputs"], "b64"])
        values = st.recursive(
            st.one_of(leaves, images, images),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=3),
            max_leaves=6,
        )
        named = [
            {
                "signature_name": st.just(name),
                "inputs": st.fixed_dictionaries(dict.fromkeys(signature.inputs, values)),
            }
            for name, signature in self._signatures.items()
        ]
        keys = ["instances", "inputs", "examples", "context", "signature_name", "other"]
        return st.one_of(
            values,
            st.dictionaries(st.sampled_from(keys), values, max_size=3),
            st.fixed_dictionaries({"instances": st.lists(images, max_size=3)}),
            st.sampled_from(named).flatmap(st.fixed_dictionaries),
        )

    def _well_formed(self, kind: type) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            message: Any = kind()
            if draw(st.integers(0, 3)):
                self._begin(message, draw)
            if draw(st.booleans()):
                self._add(message, draw)
            return message.SerializeToString()

        return build()

    def _begin(self, message: Any, draw: Any) -> None:
        """Makes a request of it that is good but for its values and some of their shapes."""
        fields = message.DESCRIPTOR.fields_by_name
        if "model_spec" in fields:
            message.model_spec.name = self._model
            message.model_spec.signature_name = draw(st.sampled_from(self._texts["signature_name"]))
        if "inputs" in fields:
            signature = self._signatures.get(message.model_spec.signature_name or "serving_default")
            for name, tensor in signature.inputs.items() if signature else ():
                if name not in signature.optional or draw(st.booleans()):
                    self._fill(message.inputs[name], tensor, draw)
        if "input" in fields:
            for image in draw(st.lists(self._images, min_size=1, max_size=3)):
                feature = message.input.example_list.examples.add().features.feature
                feature["image/encoded"].bytes_list.value.append(image)

    def _fill(self, proto: Any, tensor: Tensor, draw: Any) -> None:
        """Makes it a tensor of this type and rank."""
        fields = proto.DESCRIPTOR.fields_by_name
        kinds = fields["dtype"].enum_type.values_by_name
        proto.dtype = kinds[f"DT_{tensor.dtype.upper()}"].number
        value = fields[f"{tensor.dtype.replace('int32', 'int')}_val"]
        values = draw(st.lists(self._value(value), min_size=1, max_size=4))
        getattr(proto, value.name).extend(values)
        for axis in range(len(tensor.shape or ())):
            sizes = 2 if axis else draw(st.sampled_from([len(values)] * 8 + _NUMBERS))
            proto.tensor_shape.dim.add(size=sizes)

    def _add(self, message: Any, draw: Any, depth: int = 0) -> None:
        """Sets a few of its fields, and of the messages below, to whatever their type allows."""
        fields = message.DESCRIPTOR.fields
        numbers = st.lists(st.integers(0, len(fields) - 1), min_size=1, max_size=_MOST, unique=True)
        for field in [fields[number] for number in draw(numbers)] if fields else []:
            times = range(draw(st.integers(0, _MOST)))
            many = field.label == field.LABEL_REPEATED
            below = field.message_type
            if below is None:
                value = self._value(field)
                if many:
                    getattr(message, field.name).extend(draw(value) for _ in times)
                else:
                    setattr(message, field.name, draw(value))
            elif depth < _DEEPEST and below.GetOptions().map_entry:
                self._add_entries(message, field, draw, depth)
            elif depth < _DEEPEST:
                inner = getattr(message, field.name)
                for one in [inner.add() for _ in times] if many else [inner]:
                    one.SetInParent()
                    self._add(one, draw, depth + 1)

    def _add_entries(self, message: Any, field: Any, draw: Any, depth: int) -> None:
        entry = field.message_type.fields_by_name
        key = draw(self._value(entry["key"], field.name))
        if entry["value"].message_type is None:
            getattr(message, field.name)[key] = draw(self._value(entry["value"]))
        else:
            self._add(getattr(message, field.name)[key], draw, depth + 1)

    def _value(self, field: Any, name: str = "") -> st.SearchStrategy[Any]:
        """Values of a field that is no message."""
        texts = self._texts.get(name or field.name)
        numbers = [*_NUMBERS, -1, -(2**31)]
        kinds: dict[int, Callable[[], st.SearchStrategy[Any]]] = {
            field.CPPTYPE_BOOL: st.booleans,
            field.CPPTYPE_FLOAT: lambda: st.floats(width=32),
            field.CPPTYPE_DOUBLE: st.floats,
            field.CPPTYPE_ENUM: lambda: st.sampled_from(sorted(field.enum_type.values_by_number)),
            field.CPPTYPE_INT32: lambda: st.sampled_from([x for x in numbers if x < 2**31]),
            field.CPPTYPE_INT64: lambda: st.sampled_from(numbers),
            field.CPPTYPE_UINT32: lambda: st.sampled_from([x for x in _NUMBERS if x < 2**31]),
            field.CPPTYPE_UINT64: lambda: st.sampled_from(_NUMBERS),
            field.CPPTYPE_STRING: lambda: (
                self._images
                if field.type == field.TYPE_BYTES
                else st.sampled_from(texts)
                if texts
                else st.text(max_size=8)
            ),
        }
        return kinds[field.cpp_type]()


def _json_image(encoded: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(encoded).decode()}
