"""Requests that no client should send, made by hypothesis.

Those over gRPC are made from the protocol itself.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

from benchmarks.serving import ENDPOINTS, picture, request
from serving.results import Signature, Tensor

# Path and request's class of every method of TensorFlow Serving, by name.
METHODS: dict[str, tuple[str, type]] = {
    method.name: (f"/{service.full_name}/{method.name}", GetMessageClass(method.input_type))
    for module in (prediction_service_pb2, model_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
_SMALL, _LARGE, _BELOW = [0, 1, 1, 1, 2, 3, 7, 1000, 2**31 - 1], [2**31, 2**62], [-1, -(2**31)]
_HEADER_NUMBERS = st.builds(
    lambda number, size, order: (number % 256**size).to_bytes(size, order),
    st.sampled_from([0, 1, 2, *(2**bits - 1 for bits in (8, 14, 16, 24, 31, 32)), 2**8, 2**15]),
    st.integers(1, 4),
    st.sampled_from(["little", "big"]),
)
_DEEPEST = 6  # messages in messages
_MOST = 3  # fields of a message, and elements of a field, beside those of a good request


def mutations(data: bytes, header: int = 0) -> st.SearchStrategy[bytes]:
    """The same bytes with a few replaced, taken out, put in or cut off.

    With `header` only the first so many are, overwritten by numbers of up to four bytes.
    """
    where = st.integers(0, min(header or len(data), len(data)))
    gone, new = st.sampled_from([0, 1, 4, len(data)]), st.binary(max_size=4)
    edit = st.tuples(where, st.none(), _HEADER_NUMBERS) if header else st.tuples(where, gone, new)

    def apply(edits: list[tuple[int, int | None, bytes]]) -> bytes:
        changed = data
        for at, gone, new in edits:
            end = at + (len(new) if gone is None else gone)
            changed = changed[:at] + new + changed[end:]
        return changed

    return st.lists(edit, min_size=1, max_size=4).map(apply)


def odd_pictures(model: str) -> st.SearchStrategy[tuple[str, bytes]]:
    """A method's path and a request with pictures whose headers tell anything.

    Small files of every format (with EXIF, several frames, several chunks) whose first bytes are
    changed: sizes, counts, lengths of chunks and blocks, anything.
    """
    from PIL import Image

    size = (30, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    more = [Image.new("RGB", size, x) for x in ("red", "tan")]
    frames = {"save_all": True, "append_images": more}
    ways: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"exif": exif}),
        ("JPEG", {"progressive": True, "icc_profile": b"profile" * 9}),
        ("PNG", {"exif": exif}),
        ("PNG", {**frames, "default_image": True}),
        ("GIF", {**frames, "comment": b"comment"}),
        ("BMP", {}),
        ("WEBP", {"exif": exif}),
        ("WEBP", {"lossless": True}),
        ("WEBP", frames),
    ]
    good = st.sampled_from([picture(kind, size, **options) for kind, options in ways])
    wrong = good.flatmap(lambda data: mutations(data, header=400))
    one = st.one_of(wrong, wrong, wrong.flatmap(mutations), good)
    return st.builds(
        lambda images, endpoint: (
            METHODS["Predict"][0],
            request(model, endpoint, *images).SerializeToString(),
        ),
        st.lists(one, min_size=1, max_size=3),
        st.sampled_from(ENDPOINTS),
    )


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
        well_formed = st.sampled_from([*["Predict"] * 3, *METHODS]).flatmap(
            lambda name: st.tuples(st.just(METHODS[name][0]), self._well_formed(METHODS[name][1]))
        )
        mutated = well_formed.flatmap(
            lambda pair: st.tuples(st.just(pair[0]), mutations(pair[1] or b"\n"))
        )
        paths = st.sampled_from([path for path, _ in METHODS.values()])
        anything = st.tuples(paths, st.binary(max_size=64))
        return st.one_of(well_formed, well_formed, mutated, anything)

    def rest(self) -> st.SearchStrategy[tuple[str, str, bytes]]:
        """An HTTP method, a path (sendable as it is) and a body."""
        versions = ["/versions/1", "/versions/0", "/versions/x", "/labels/stable", "/versions/"]
        parts = (
            [self._model] * 6 + ["other", "%00", "..", "x" * 3000, "%zz", ""],
            [""] * 5 + versions,
            [":predict"] * 5 + [":classify", ":regress", ":nope", "/metadata", "", ":", "/x"],
        )
        paths = st.tuples(*map(st.sampled_from, parts)).map("".join).map("/v1/models/{}".format)
        others = st.sampled_from(["/", "/v1", "/v2/models/x", "/monitoring/prometheus/metrics?a=%"])
        others |= st.text("/:%ab1.?#;\\", max_size=20).map("/{}".format)
        good = json.dumps({"instances": [json_image(self._image)]}).encode()
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
        images = self._images.map(json_image)
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
            fields = kind.DESCRIPTOR
            message = kind(**self._good(fields, draw) if draw(st.integers(0, 3)) else {})
            if draw(st.booleans()):
                message.MergeFrom(kind(**self._any(fields, draw)))
            return message.SerializeToString()

        return build()

    def _good(self, kind: Any, draw: Any) -> dict[str, Any]:
        """A message by its descriptor that is good but for its values and some of their shapes."""
        fields = kind.fields_by_name
        made: dict[str, Any] = {}
        if "model_spec" in fields:
            name = draw(st.sampled_from(self._texts["signature_name"]))
            made["model_spec"] = {"name": self._model, "signature_name": name}
            signature = self._signatures.get(name or "serving_default")
            if "inputs" in fields and signature:
                of_map = fields["inputs"].message_type.fields_by_name["value"]
                made["inputs"] = {
                    name: self._tensor(of_map.message_type, tensor, draw)
                    for name, tensor in signature.inputs.items()
                    if name not in signature.optional or draw(st.booleans())
                }
        if "input" in fields:
            features = [
                {"feature": {"image/encoded": {"bytes_list": {"value": [image]}}}}
                for image in draw(st.lists(self._images, min_size=1, max_size=3))
            ]
            made["input"] = {"example_list": {"examples": [{"features": x} for x in features]}}
        return made

    def _tensor(self, kind: Any, tensor: Tensor, draw: Any) -> dict[str, Any]:
        """One of this type and rank."""
        value = kind.fields_by_name[f"{tensor.dtype.replace('int32', 'int')}_val"]
        values = draw(st.lists(self._value(value), min_size=1, max_size=4))
        first = draw(st.sampled_from([len(values)] * 8 + _SMALL + _LARGE))
        sizes = [first, 2, 2, 2, 2][: len(tensor.shape or ())]
        shape = {"dim": [{"size": size} for size in sizes]}
        return {"dtype": f"DT_{tensor.dtype.upper()}", value.name: values, "tensor_shape": shape}

    def _any(self, kind: Any, draw: Any, depth: int = 0) -> dict[str, Any]:
        """A few fields of a message, and of those below, with whatever their type allows."""
        if depth > _DEEPEST or not kind.fields:
            return {}
        numbers = st.integers(0, len(kind.fields) - 1)
        chosen = draw(st.lists(numbers, min_size=1, max_size=_MOST, unique=True))
        made: dict[str, Any] = {}
        for field in [kind.fields[number] for number in chosen]:
            if field.message_type and field.message_type.GetOptions().map_entry:
                key, value = field.message_type.fields
                name = draw(self._value(key, field.name))
                made[field.name] = {name: self._one(value, draw, depth)}
            elif field.is_repeated:
                times = draw(st.integers(0, _MOST))
                made[field.name] = [self._one(field, draw, depth) for _ in range(times)]
            else:
                made[field.name] = self._one(field, draw, depth)
        return made

    def _one(self, field: Any, draw: Any, depth: int) -> Any:
        inner = field.message_type
        return self._any(inner, draw, depth + 1) if inner else draw(self._value(field))

    def _value(self, field: Any, name: str = "") -> st.SearchStrategy[Any]:
        """Values of a field that is no message."""
        if field.type == field.TYPE_BYTES:
            return self._images
        if field.cpp_type == field.CPPTYPE_STRING:
            texts = self._texts.get(name or field.name)
            return st.sampled_from(texts) if texts else st.text(max_size=8)
        if field.enum_type:
            return st.sampled_from(sorted(field.enum_type.values_by_number))
        return {
            field.CPPTYPE_BOOL: st.booleans(),
            field.CPPTYPE_FLOAT: st.floats(width=32),
            field.CPPTYPE_DOUBLE: st.floats(),
            field.CPPTYPE_INT32: st.sampled_from(_SMALL + _BELOW),
            field.CPPTYPE_INT64: st.sampled_from(_SMALL + _LARGE + _BELOW),
            field.CPPTYPE_UINT32: st.sampled_from(_SMALL),
            field.CPPTYPE_UINT64: st.sampled_from(_SMALL + _LARGE),
        }[field.cpp_type]


def json_image(encoded: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(encoded).decode()}
