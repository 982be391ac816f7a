"""A model with a signature for every kind of value, served over REST in this process."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.core import Core
from serving.server.model_config import single_model
from serving.server.observer import Observer
from serving.server.options import ServerOptions
from serving.server.rest.server import RestServer, start_rest_server
from serving.server.servable import Servable
from serving.server.service import Service
from serving.wire.config_pb2 import MonitoringConfig

MODEL = "values"
TYPES = ("float32", "float64", "float16", "int8", "int16", "int32", "int64")
TYPES += ("uint8", "uint16", "uint32", "uint64", "bool", "string", "complex64")


def _signatures(tf) -> dict:
    """The model's signatures: (inputs, outputs, method) by name, in the graph being built."""
    signatures = {}
    for name in TYPES:
        x = tf.compat.v1.placeholder(name, None)
        signatures[name] = ({"x": x}, {"y": tf.identity(x)}, "predict")

    picture = tf.compat.v1.placeholder(tf.string, [None])
    length = tf.strings.length(picture)
    outputs = {"same_bytes": picture, "text": picture, "length": length}
    signatures["serving_default"] = ({"image_bytes": picture}, outputs, "predict")

    a = tf.compat.v1.placeholder(tf.float32, [None])
    b = tf.compat.v1.placeholder(tf.int32, [None])
    weighted = {"weighted": a * tf.cast(b, tf.float32)}
    signatures["optional"] = ({"a": a, "b": b}, weighted, "predict")
    uneven = {"total": tf.reduce_sum(a), "values": a, "twice": tf.concat([a, a], 0)}
    signatures["uneven"] = ({"a": a}, uneven, "predict")
    signatures["special"] = ({"a": a}, {"log": tf.math.log(a), "ratio": 1 / a}, "predict")

    examples = tf.compat.v1.placeholder(tf.string, [None])
    feature = {
        "x": tf.io.FixedLenFeature([2], tf.float32, [0.0, 0.0]),
        "n": tf.io.FixedLenFeature([1], tf.int64, [0]),
        "s": tf.io.FixedLenFeature([1], tf.string, ""),
    }
    parsed = tf.io.parse_example(examples, feature)
    total = tf.reduce_sum(parsed["x"], 1) + tf.cast(parsed["n"][:, 0], tf.float32)
    scores = tf.stack([total, -total], 1)
    classes = tf.stack([parsed["s"][:, 0], tf.fill(tf.shape(total), "other")], 1)
    outputs = {"classes": classes, "scores": scores}
    signatures["classify"] = ({"inputs": examples}, outputs, "classify")
    signatures["regress"] = ({"inputs": examples}, {"outputs": total[:, None]}, "regress")
    return signatures


def _build(folder: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        definitions = {}
        for name, (inputs, outputs, method) in _signatures(tf).items():
            definitions[name] = v1.saved_model.build_signature_def(
                {key: v1.saved_model.build_tensor_info(value) for key, value in inputs.items()},
                {key: v1.saved_model.build_tensor_info(value) for key, value in outputs.items()},
                f"tensorflow/serving/{method}",
            )
        # Broadcast over the batch: one value stands for all.
        definitions["optional"].defaults["b"].CopyFrom(tf.make_tensor_proto([10]))
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], signature_def_map=definitions
        )
        builder.save()


class Gate:
    """Holds predictions of the signature `uneven` up, like a model that takes its time."""

    def __init__(self) -> None:
        self._open, self._inside = threading.Event(), threading.Semaphore(0)
        self.open()

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.clear()
        self._inside = threading.Semaphore(0)

    def wait_for_one(self) -> None:
        """Returns when one more prediction is at the gate."""
        assert self._inside.acquire(timeout=30)

    def pass_through(self) -> None:
        if not self._open.is_set():
            self._inside.release()
            assert self._open.wait(60)


class _Held(Servable):
    gate: Gate

    def predict(self, signature_name, *args, **options):
        if signature_name == "uneven":
            self.gate.pass_through()
        return super().predict(signature_name, *args, **options)


@pytest.fixture(scope="session")
def _gate() -> Gate:
    return Gate()


@pytest.fixture
def gate(_gate: Gate) -> Iterator[Gate]:
    """Closed for this test."""
    _gate.close()
    yield _gate
    _gate.open()


@pytest.fixture(scope="session")
def values_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base path of the model, with version 7."""
    base = tmp_path_factory.mktemp("values")
    _build(base / "7")
    return base


@pytest.fixture(scope="session")
def core(values_base: Path, _gate: Gate) -> Iterator[Core]:
    _Held.gate = _gate
    made = Core(lambda name, folder, version: _Held(folder, version, name=name))
    config = single_model(MODEL, str(values_base))
    made.reload(config)
    # A label may only point to what is live.
    config.model_config_list.config[0].version_labels["stable"] = 7
    made.reload(config)
    yield made
    made.close()


def _serve(core: Core, observer: Observer, metrics_path: str = "", **flags) -> RestServer:
    monitoring = MonitoringConfig()
    monitoring.prometheus_config.enable = bool(metrics_path)
    monitoring.prometheus_config.path = metrics_path
    options = ServerOptions(
        ModelServerConfig(), monitoring=monitoring, **{"rest_api_port": -1} | flags
    )
    return start_rest_server(Service(core, observer), observer, options)


@pytest.fixture
def start(core: Core) -> Iterator[Callable[..., tuple[httpx.Client, RestServer]]]:
    """Starts a REST server on a free port, with its observer and other flags."""
    running: list[tuple[httpx.Client, RestServer]] = []

    def make(observer: Observer | None = None, **options) -> tuple[httpx.Client, RestServer]:
        observer = observer or Observer()
        server = _serve(core, observer, **options)
        http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60)
        running.append((http, server))
        return http, server

    yield make
    for http, server in running:
        http.close()
        server.stop(10)


@pytest.fixture(scope="session")
def http(core: Core) -> Iterator[httpx.Client]:
    """A client of one server for all tests."""
    server = _serve(core, Observer(), rest_api_num_threads=8)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        yield client
    server.stop(10)


@pytest.fixture(scope="session")
def post(http: httpx.Client) -> Callable[..., httpx.Response]:
    """Posts a body to a method of the model: JSON values, or bytes as they are."""

    def send(body: object, method: str = "predict", which: str = "") -> httpx.Response:
        path = f"/v1/models/{MODEL}{which}:{method}"
        if isinstance(body, bytes):
            return http.post(path, content=body)
        return http.post(path, json=body)

    return send


@pytest.fixture(scope="session")
def refused(post) -> Callable[..., str]:
    """The message of a body that is refused with 400."""

    def send(body: object, method: str = "predict", code: int = 400) -> str:
        answer = post(body, method)
        assert answer.status_code == code, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["error"]
        return answer.json()["error"]

    return send
