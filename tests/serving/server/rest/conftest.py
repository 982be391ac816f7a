"""A model with a signature for every kind of value, served over REST in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.config_files import single_model
from serving.server.core import Core
from serving.server.observer import Observer
from serving.server.options import ServerOptions
from serving.server.rest.server import RestServer
from serving.server.servable import Servable
from serving.server.service import Service
from serving.wire.messages_pb2 import MonitoringConfig

MODEL = "values"


@pytest.fixture(scope="session")
def core(types_model: Path, tmp_path_factory) -> Iterator[Core]:
    """Of the model, as version 7, with a label."""
    base = tmp_path_factory.mktemp("values")
    (base / "7").symlink_to(types_model)
    made = Core(lambda name, folder, version: Servable(folder, version))
    config = single_model(MODEL, str(base))
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
    return RestServer(Service(core, observer), observer, options)


@pytest.fixture
def start(core: Core) -> Iterator[Callable[..., tuple[httpx.Client, RestServer]]]:
    """Starts a REST server on a free port, with its observer and other flags."""
    running: list[tuple[httpx.Client, RestServer]] = []

    def make(observer: Observer | None = None, **options) -> tuple[httpx.Client, RestServer]:
        observer = observer or Observer()
        observer.metrics.configure(single_model(MODEL, ""))
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
