"""Requests over gRPC that no client should send, made by hypothesis from the protocol itself."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

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
    edit = st.tuples(
        st.sampled_from(["replace", "delete", "insert", "cut"]),
        st.floats(0, 1, exclude_max=True),  # where
        st.binary(min_size=1, max_size=4),
    )

    def apply(edits: list[tuple[str, float, bytes]]) -> bytes:
        changed = data
        for kind, where, new in edits:
            at = int(where * len(changed))
            rest = {
                "replace": new + changed[at + len(new) :],
                "delete": changed[at + len(new) :],
                "insert": new + changed[at:],
                "cut": b"",
            }[kind]
            changed = changed[:at] + rest
        return changed

    return st.lists(edit, min_size=1, max_size=4).map(apply)


def odd_images(images: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good ones, the same with a few bytes changed, and any bytes."""
    good = st.sampled_from(images)
    return st.one_of(good, good.flatmap(mutations), st.binary(max_size=20))


class Messages:
    """Requests to one served model.

    Args:
        model: its name.
        images: encoded ones that it takes.
        signatures: names of its signatures.
    """

    def __init__(self, model: str, images: list[bytes], signatures: list[str]):
        self._model, self._images = model, images
        self._bytes = odd_images(images)
        self._texts = {
            "name": [model] * 20 + ["", "other", "a/b", "ü", "x" * 5000],
            "signature_name": [*signatures * 4, "", "nope", "\n"],
            "version_label": ["", "", "stable", "ü"],
            "method_name": [f"tensorflow/serving/{x}" for x in ("classify", "regress", "predict")],
            "output_filter": ["probability", "probability", "label", "heatmap", "nope"],
            "metadata_field": ["signature_def", "signature_def", "nope", ""],
            "base_path": ["", "/nothing/here", "relative", "s3://x"],
            "model_platform": ["tensorflow", "", "onnx"],
            # Keys of maps.
            "inputs": ["image_bytes", "class_index", "examples", "", "x"],
            "feature": ["image/encoded", "image/label", "", "x"],
        }

    def any(self) -> st.SearchStrategy[tuple[str, bytes]]:
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
        """Makes a request of it that is good but for its images and its signature."""
        fields = message.DESCRIPTOR.fields_by_name
        images = draw(st.lists(self._bytes, min_size=1, max_size=3))
        if "model_spec" in fields:
            message.model_spec.name = self._model
            message.model_spec.signature_name = draw(st.sampled_from(self._texts["signature_name"]))
        if "inputs" in fields:
            tensor = message.inputs["image_bytes"]
            tensor.dtype = 7
            tensor.string_val.extend(images)
            tensor.tensor_shape.dim.add(size=len(images))
        if "input" in fields:
            for image in images:
                feature = message.input.example_list.examples.add().features.feature
                feature["image/encoded"].bytes_list.value.append(image)

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
                self._bytes
                if field.type == field.TYPE_BYTES
                else st.sampled_from(texts)
                if texts
                else st.text(max_size=8)
            ),
        }
        return kinds[field.cpp_type]()
