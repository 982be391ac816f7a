"""Tiny models of TensorFlow 1 and 2, and what asks a server of them over real sockets."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import predict_pb2

from serving.server.faults import Fault
from serving.server.servable import Servable

PICTURES, EXAMPLES, OLD, TYPES = "pictures", "examples", "old", "types"
ECHOED = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8"]
ECHOED += ["uint16", "uint32", "uint64", "bool", "complex64", "complex128", "string", "qint8"]


def build_examples(folder: Path) -> None:
    """TensorFlow 2: Examples with a feature `x` to classes and scores, and to a value."""
    module = tf.Module()
    module.slope = tf.Variable(2.0)

    def parse(inputs):
        return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]

    inputs = tf.TensorSpec([None], tf.string, name="inputs")

    @tf.function(input_signature=[inputs])
    def classify(inputs):
        x = parse(inputs)
        labels = tf.tile([["low", "high"]], [tf.shape(x)[0], 1])
        return {"classes": labels, "scores": tf.stack([1.0 - x, x], axis=1)}

    @tf.function(input_signature=[inputs])
    def regress(inputs):
        return {"outputs": module.slope * parse(inputs)[:, tf.newaxis]}

    signatures = {"serving_default": classify, "regress": regress, "plain": classify}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder))
    updater.replace_method_name("serving_default", tf.saved_model.CLASSIFY_METHOD_NAME)
    updater.replace_method_name("regress", tf.saved_model.REGRESS_METHOD_NAME)
    updater.save()


def build_old(folder: Path) -> None:
    """TensorFlow 1: the same input for all; a variable, a table, an asset; also misfits."""
    v1 = tf.compat.v1
    names = folder.parent / "names.txt"
    names.write_text("low\nhigh\n")
    with tf.Graph().as_default(), v1.Session() as session:
        inputs = v1.placeholder(tf.string, [None], "examples")
        features = {
            "x": tf.io.FixedLenFeature([], tf.float32),
            "bias": tf.io.FixedLenFeature([], tf.float32, default_value=0.0),
        }
        parsed = tf.io.parse_example(inputs, features)
        x = parsed["x"] + parsed["bias"]
        slope = v1.get_variable("slope", initializer=3.0)
        asset = tf.constant(str(names), name="asset")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        rows = tf.lookup.TextFileInitializer(asset, tf.int64, -1, tf.string, -2)
        table = tf.lookup.StaticHashTable(rows, "none")
        ids = tf.tile(tf.constant([[0, 1]], tf.int64), [tf.shape(x)[0], 1])
        scores = tf.stack([1.0 - x, x], axis=1)
        classes = table.lookup(ids)
        sparse = v1.sparse_placeholder(tf.float32, [None, 3], "sparse")

        both = {"classes": classes, "scores": scores}
        made = {
            "classify": ("classify", both),
            "labels": ("classify", {"classes": classes}),
            "scores": ("classify", {"scores": scores}),
            "regress": ("regress", {"outputs": slope * x}),
            "serving_default": ("predict", {"x": x, "classes": classes}),
            "numbered": ("classify", {"classes": ids}),
            "flat": ("classify", {"scores": x}),
            "double": ("classify", {"scores": tf.cast(scores, tf.float64)}),
            "short": ("classify", {"scores": scores[:1]}),
            "uneven": ("classify", {"classes": classes, "scores": scores[:, :1]}),
            "nameless": ("classify", {"y": scores}),
            "many": ("classify", both | {"more": x}),
            "wide": ("regress", {"outputs": scores}),
            "whole": ("regress", {"outputs": tf.cast(x, tf.int32)}),
            "few": ("regress", {"outputs": x[:1]}),
            "sparse_out": ("predict", {"x": x, "s": tf.sparse.from_dense(scores)}),
            "number": ("predict", {"y": tf.strings.to_number(inputs)}),
        }
        signatures = {name: ({"inputs": inputs}, *rest) for name, rest in made.items()}
        signatures["renamed"] = ({"x": inputs}, "classify", {"scores": scores})
        total = {"sum": tf.sparse.reduce_sum(sparse)}
        signatures["sparse"] = ({"inputs": sparse}, "predict", total)
        session.run(v1.global_variables_initializer())
        _save(
            session,
            folder,
            signatures,
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
    names.unlink()  # the model has its own copy


def build_types(folder: Path) -> None:
    """TensorFlow 1: for each type a signature that answers what it gets, and others for REST."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        signatures = {}
        for name in ECHOED:
            x = v1.placeholder(name, None)
            signatures[name] = ({"x": x}, "predict", {"y": tf.identity(x)})
        picture = v1.placeholder(tf.string, [None])
        outputs = {"same_bytes": picture, "text": picture, "length": tf.strings.length(picture)}
        signatures["serving_default"] = ({"image_bytes": picture}, "predict", outputs)

        a, b = v1.placeholder(tf.float32, [None]), v1.placeholder(tf.int32, [None])
        weighted = {"weighted": a * tf.cast(b, tf.float32)}
        signatures["optional"] = ({"a": a, "b": b}, "predict", weighted)
        uneven = {"total": tf.reduce_sum(a), "values": a, "twice": tf.concat([a, a], 0)}
        signatures["uneven"] = ({"a": a}, "predict", uneven)

        # TensorFlow Serving's half_plus_two: what is fed is no placeholder.
        half = {"x": tf.io.FixedLenFeature([1], tf.float32)}
        x = tf.identity(tf.io.parse_example(v1.placeholder(tf.string), half)["x"])
        signatures["half_plus_two"] = ({"x": x}, "predict", {"y": 0.5 * x + 2.0})

        examples = v1.placeholder(tf.string, [None])
        feature = {
            "x": tf.io.FixedLenFeature([2], tf.float32, [0.0, 0.0]),
            "n": tf.io.FixedLenFeature([1], tf.int64, [0]),
            "s": tf.io.FixedLenFeature([1], tf.string, ""),
        }
        parsed = tf.io.parse_example(examples, feature)
        total = tf.reduce_sum(parsed["x"], 1) + tf.cast(parsed["n"][:, 0], tf.float32)
        classes = tf.stack([parsed["s"][:, 0], tf.fill(tf.shape(total), "other")], 1)
        both = {"classes": classes, "scores": tf.stack([total, -total], 1)}
        signatures["classify"] = ({"inputs": examples}, "classify", both)
        signatures["regress"] = ({"inputs": examples}, "regress", {"outputs": total[:, None]})
        # Broadcast over the batch: one value stands for all.
        _save(session, folder, signatures, {"optional": {"b": [10]}})


def _save(session, folder, signatures, defaults=None, **more):
    """Signatures as (inputs, method, outputs) by name, and values of inputs by signature."""
    v1 = tf.compat.v1
    info, made = v1.saved_model.build_tensor_info, {}
    for name, (inputs, method, outputs) in signatures.items():
        made[name] = v1.saved_model.build_signature_def(
            {key: info(value) for key, value in inputs.items()},
            {key: info(value) for key, value in outputs.items()},
            f"tensorflow/serving/{method}",
        )
        for key, value in (defaults or {}).get(name, {}).items():
            made[name].defaults[key].CopyFrom(tf.make_tensor_proto(value))
    builder = v1.saved_model.Builder(str(folder))
    serving = [tf.saved_model.SERVING]
    builder.add_meta_graph_and_variables(session, serving, signature_def_map=made, **more)
    builder.save()


class Runs:
    """Runs of TensorFlow's sessions, each made a little longer.

    Attributes:
        begun: how many others were under way when each began.
        fetched: sets of tensors that were asked for.
        graphs: weak references to the sessions' graphs.
        plans: what was made ready to be run.
    """

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.fetched: set[tuple[str, ...]] = set()
        self.graphs: list[weakref.ref] = []
        self.plans: list[Any] = []
        self._under_way, self._lock = 0, threading.Lock()

    def note(self, session: Any, fetches: Any, run: Callable[..., Any], *values: Any) -> Any:
        with self._lock:
            self.begun.append(self._under_way)
            self.fetched.add(tuple(fetches))
            self.graphs.append(weakref.ref(session.graph))
            self._under_way += 1
        time.sleep(0.05)
        try:
            return run(*values)
        finally:
            with self._lock:
                self._under_way -= 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """From here to the end of the test."""
    seen, make = Runs(), tf.compat.v1.Session._make_callable_from_options

    def made(session: Any, options: Any) -> Callable[..., Any]:
        seen.plans.append(options)
        return partial(seen.note, session, options.fetch, make(session, options))

    monkeypatch.setattr(tf.compat.v1.Session, "_make_callable_from_options", made)
    return seen


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Predictions of the signatures `slow` and `uneven` wait at it, as if they took their time.

    `reached()` is true when one more is there, `open()` lets all through, `seen` names the
    signatures of all predictions.
    """
    inside, opened, seen = threading.Semaphore(0), threading.Event(), []
    run = Servable.run

    def held(self: Servable, arrays: Any, outputs: Any, **named: Any) -> Any:
        seen.extend(outputs)
        if {"slow", "uneven"}.intersection(outputs):
            inside.release()
            assert opened.wait(60)
        return run(self, arrays, outputs, **named)

    monkeypatch.setattr(Servable, "run", held)
    yield SimpleNamespace(open=opened.set, reached=lambda: inside.acquire(timeout=60), seen=seen)
    opened.set()


@pytest.fixture(scope="session")
def types_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("types") / "saved"
    build_types(folder)
    return folder


@pytest.fixture(scope="session")
def bases(saved_model, types_model, tmp_path_factory):
    """Base paths of the four models; each has a version 2."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in (PICTURES, EXAMPLES, OLD, TYPES):
        (folder / name).mkdir()
    (folder / PICTURES / "2").symlink_to(saved_model)
    build_examples(folder / EXAMPLES / "2")
    build_old(folder / OLD / "2")
    (folder / TYPES / "2").symlink_to(types_model)
    return {name: folder / name for name in (PICTURES, EXAMPLES, OLD, TYPES)}


@pytest.fixture(scope="session")
def zoo(bases: dict[str, Path], start_here: Callable[..., Any]) -> Any:
    """A server of all four models."""
    return start_here(bases)


@pytest.fixture(scope="session")
def zoo_channel(zoo: Any) -> Iterator[grpc.Channel]:
    with zoo.channel() as channel:
        yield channel


@pytest.fixture(scope="session")
def stub(stub_of: Callable[..., Any], zoo_channel: grpc.Channel) -> Any:
    """The methods of TensorFlow Serving's own stubs."""
    return stub_of(zoo_channel)


@pytest.fixture(scope="session")
def predicting() -> Callable[..., Any]:
    """A PredictRequest: model, signature, outputs, inputs by name as anything a tensor is."""

    def request(model: str, signature: str = "serving_default", *only: str, **inputs: Any) -> Any:
        spec = {"name": model, "signature_name": signature}
        made = predict_pb2.PredictRequest(model_spec=spec, output_filter=only)
        for key, value in inputs.items():
            proto = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
            made.inputs[key].CopyFrom(proto)
        return made

    return request


@pytest.fixture(scope="session")
def answer_of(predicting: Callable[..., Any]) -> Callable[..., dict[str, np.ndarray]]:
    """A stub's answer to a PredictRequest, or to one of these arguments: arrays by name."""

    def outputs(stub: Any, request: Any, *more: str, **inputs: Any) -> dict[str, np.ndarray]:
        made = predicting(request, *more, **inputs) if isinstance(request, str) else request
        found = stub.Predict(made, timeout=60).outputs
        return {name: tf.make_ndarray(proto) for name, proto in found.items()}

    return outputs


@pytest.fixture
def ask(stub: Any, answer_of: Callable[..., Any]) -> Callable[..., dict[str, np.ndarray]]:
    """The same of the server of all models."""
    return partial(answer_of, stub)


@pytest.fixture(scope="session")
def refusal() -> Callable[..., tuple[str, str]]:
    """Code and message of a call that is refused."""

    def refused(call: Callable[..., object], *arguments: object) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            call(*arguments, timeout=60)
        return caught.value.code().name, caught.value.details()

    return refused


@pytest.fixture(scope="session")
def fault_of() -> Callable[[Callable[[], object]], tuple[str, str]]:
    """Code and message of the Fault that a call ends with."""

    def fault(call: Callable[[], object]) -> tuple[str, str]:
        with pytest.raises(Fault) as caught:
            call()
        return caught.value.code.name, caught.value.details

    return fault


@pytest.fixture(scope="session")
def fill_examples() -> Callable[..., None]:
    """Fills a request's input with Examples of a feature `x`."""

    def fill(target: Any, *values: float, **context: float) -> None:
        kind = target.example_list_with_context if context else target.example_list
        for value in values:
            kind.examples.add().features.feature["x"].float_list.value.append(value)
        for name, value in context.items():
            kind.context.features.feature[name].float_list.value.append(value)

    return fill


@pytest.fixture(scope="session")
def grays(gray: Callable[[int], bytes]) -> Callable[..., np.ndarray]:
    """A batch of grey pictures: a value, or bytes as they are."""

    def batch(*values: int | bytes) -> np.ndarray:
        rows = [value if isinstance(value, bytes) else gray(value) for value in values]
        return np.array(rows, object)

    return batch
