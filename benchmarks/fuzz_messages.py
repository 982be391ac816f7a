"""Requests over gRPC that no client should send, made by hypothesis."""

from typing import Any

from hypothesis import strategies as st

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"
METHODS = {
    "Predict": PREDICTION,
    "Classify": PREDICTION,
    "Regress": PREDICTION,
    "MultiInference": PREDICTION,
    "GetModelMetadata": PREDICTION,
    "GetModelStatus": MODEL,
    "HandleReloadConfigRequest": MODEL,
}

_SIZES = st.sampled_from([-2, -1, 0, 1, 1, 1, 2, 3, 1000, 2**31, 2**40, 2**62])
_INTEGERS = st.sampled_from([-(2**31), -1, 0, 1, 2, 2**31 - 1])
_FLOATS = st.floats(width=32)
_TEXTS = st.text(max_size=8)


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


def odd_pictures(pictures: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good ones, the same with a few bytes changed, and any bytes."""
    good = st.sampled_from(pictures)
    return st.one_of(good, good.flatmap(mutations), st.binary(max_size=20))


class Messages:
    """Requests to one served model.

    Args:
        model: its name.
        pictures: encoded ones that it takes.
        signatures: names of its signatures.
    """

    def __init__(self, model: str, pictures: list[bytes], signatures: list[str]):
        self._model = model
        self._pictures = odd_pictures(pictures)
        self._models = st.sampled_from([model] * 20 + ["", "other", "a/b", "ü", "x" * 5000])
        self._signatures = st.sampled_from([*signatures * 4, "", "nope", "\n"])

    def any(self) -> st.SearchStrategy[tuple[str, bytes]]:
        """A method's name and the bytes of a request: well-formed, or mutated, or any."""
        well_formed = st.one_of(
            st.tuples(st.just("Predict"), self._predict()),
            st.tuples(st.just("Predict"), self._predict()),
            st.tuples(st.sampled_from(["Classify", "Regress"]), self._examples()),
            st.tuples(st.just("MultiInference"), self._multi_inference()),
            st.tuples(st.just("GetModelMetadata"), self._metadata()),
            st.tuples(st.just("GetModelStatus"), self._status()),
            st.tuples(st.just("HandleReloadConfigRequest"), self._reload()),
        )
        mutated = well_formed.flatmap(
            lambda pair: st.tuples(st.just(pair[0]), mutations(pair[1] or b"\n"))
        )
        anything = st.tuples(st.sampled_from(sorted(METHODS)), st.binary(max_size=64))
        return st.one_of(well_formed, well_formed, mutated, anything)

    def _spec(self, message: Any, draw: Any) -> None:
        spec = message.model_spec
        if not draw(st.integers(0, 20)):
            return
        spec.name = draw(self._models)
        spec.signature_name = draw(self._signatures)
        chosen = draw(st.sampled_from(["", "", "", "", "version", "label"]))
        if chosen == "version":
            spec.version.value = draw(st.sampled_from([1, 0, -1, 2, 2**62]))
        elif chosen == "label":
            spec.version_label = draw(st.sampled_from(["", "stable", "ü"]))

    def _predict(self) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            from tensorflow_serving.apis.predict_pb2 import PredictRequest

            message = PredictRequest()
            self._spec(message, draw)
            kind = draw(st.sampled_from(["pictures", "pictures", "tensors", "both"]))
            if kind == "pictures":  # at most they and the outputs are odd
                message.model_spec.Clear()
                message.model_spec.name = self._model
                message.model_spec.signature_name = draw(
                    st.sampled_from(["serving_default", "grad_cam", "", "labels"])
                )
            if kind != "tensors":
                image_bytes = message.inputs["image_bytes"]
                image_bytes.dtype = 7
                image_bytes.string_val[:] = draw(st.lists(self._pictures, min_size=1, max_size=3))
                image_bytes.tensor_shape.dim.add(size=len(image_bytes.string_val))
            names = st.sampled_from(["image_bytes", "class_index", "examples", "", "x"])
            most = 0 if kind == "pictures" else 3
            for name in draw(st.lists(names, max_size=most, unique=True)):
                self._tensor(message.inputs[name], draw)
            outputs = st.sampled_from(["probability", "probability", "label", "heatmap", "nope"])
            message.output_filter.extend(draw(st.lists(outputs, max_size=2)))
            return message.SerializeToString()

        return build()

    def _tensor(self, tensor: Any, draw: Any) -> None:
        tensor.dtype = draw(st.sampled_from([0, 1, 2, 3, 4, 6, 7, 9, 10, 14, 18, 19, 20, 21, 101]))
        if not draw(st.integers(0, 9)):
            tensor.tensor_shape.unknown_rank = True
        for size in draw(st.lists(_SIZES, max_size=3)):
            tensor.tensor_shape.dim.add(size=size)
        if draw(st.booleans()):
            tensor.tensor_content = draw(st.binary(max_size=64))
        tensor.string_val.extend(draw(st.lists(self._pictures, max_size=2)))
        tensor.float_val.extend(draw(st.lists(_FLOATS, max_size=3)))
        tensor.int_val.extend(draw(st.lists(_INTEGERS, max_size=3)))
        tensor.half_val.extend(draw(st.lists(_INTEGERS, max_size=2)))

    def _example(self, example: Any, draw: Any) -> None:
        names = st.sampled_from(["image/encoded", "image/label", "", "x"])
        for name in draw(st.lists(names, max_size=2)):
            feature = example.features.feature[name]
            kind = draw(st.sampled_from(["bytes", "bytes", "float", "int64", "none"]))
            if kind == "bytes":
                feature.bytes_list.value.extend(draw(st.lists(self._pictures, max_size=2)))
            elif kind == "float":
                feature.float_list.value.extend(draw(st.lists(_FLOATS, max_size=2)))
            elif kind == "int64":
                feature.int64_list.value.extend(draw(st.lists(_INTEGERS, max_size=2)))

    def _input(self, message: Any, draw: Any) -> None:
        kind = draw(st.sampled_from(["list", "list", "context", "none"]))
        if kind == "none":
            return
        holder = message.input.example_list
        if kind == "context":
            holder = message.input.example_list_with_context
            self._example(holder.context, draw)
        for _ in range(draw(st.integers(0, 3))):
            self._example(holder.examples.add(), draw)

    def _examples(self) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            from tensorflow_serving.apis.classification_pb2 import ClassificationRequest

            # A RegressionRequest has the same fields.
            message = ClassificationRequest()
            self._spec(message, draw)
            self._input(message, draw)
            return message.SerializeToString()

        return build()

    def _multi_inference(self) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest

            message = MultiInferenceRequest()
            for _ in range(draw(st.integers(0, 3))):
                task = message.tasks.add()
                self._spec(task, draw)
                task.method_name = draw(
                    st.sampled_from(
                        [
                            "tensorflow/serving/classify",
                            "tensorflow/serving/regress",
                            "tensorflow/serving/predict",
                            "",
                        ]
                    )
                )
            self._input(message, draw)
            return message.SerializeToString()

        return build()

    def _metadata(self) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest

            message = GetModelMetadataRequest()
            self._spec(message, draw)
            fields = st.sampled_from(["signature_def", "signature_def", "nope", ""])
            message.metadata_field.extend(draw(st.lists(fields, max_size=2)))
            return message.SerializeToString()

        return build()

    def _status(self) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest

            message = GetModelStatusRequest()
            self._spec(message, draw)
            return message.SerializeToString()

        return build()

    def _reload(self) -> st.SearchStrategy[bytes]:
        @st.composite
        def build(draw: Any) -> bytes:
            from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

            message = ReloadConfigRequest()
            for _ in range(draw(st.integers(0, 2))):
                config = message.config.model_config_list.config.add()
                config.name = draw(self._models)
                config.base_path = draw(
                    st.sampled_from(["", "/nothing/here", "relative", "s3://x"])
                )
                config.model_platform = draw(st.sampled_from(["tensorflow", "", "onnx"]))
                for label in draw(st.lists(_TEXTS, max_size=2)):
                    config.version_labels[label] = draw(st.integers(-1, 2))
            return message.SerializeToString()

        return build()
