"""Ports, names and files that have to agree, and the probe against a real server."""

import socket
import subprocess
import threading

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.client import CLASSIFIER_NAME, DEFAULT_TARGET
from serving.commands.run import SEGMENTER_NAME


@pytest.fixture(scope="module")
def manifests(render):
    return render("serving/overlays/cpu")


@pytest.fixture(scope="module")
def container(manifests, pod_specs):
    [pod] = pod_specs(manifests)
    return pod["containers"][0]


def _flags(container):
    return dict(arg.removeprefix("--").split("=", 1) for arg in container["args"])


def _config(manifests, name):
    [text] = [one["data"][name] for one in manifests if one["kind"] == "ConfigMap"]
    return text


def test_flags_ports_and_service_agree_with_the_clients_default(manifests, container):
    flags = _flags(container)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])}
    [service] = [
        one
        for one in manifests
        if one["metadata"]["name"] == "serving" and one["kind"] == "Service"
    ]
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    assert DEFAULT_TARGET.endswith(f":{ports['grpc']}")


def test_the_model_configuration_names_what_clients_ask_for(manifests, container):
    config = text_format.Parse(_config(manifests, "models.config"), ModelServerConfig())
    models = {one.name: one.base_path for one in config.model_config_list.config}
    mount = next(one for one in container["volumeMounts"] if one["name"] == "models")["mountPath"]
    # The pusher writes to <serving root>/<model name>.
    assert models == {name: f"{mount}/{name}" for name in (CLASSIFIER_NAME, SEGMENTER_NAME)}
    for probe in ("startupProbe", "readinessProbe"):
        assert set(container[probe]["exec"]["command"][2:]) == set(models)


def test_files_named_by_flags_are_mounted(manifests, container):
    flags = _flags(container)
    for flag in ("model_config_file", "monitoring_config_file", "batching_parameters_file"):
        folder, _, name = flags[flag].rpartition("/")
        assert folder == "/etc/serving"
        assert _config(manifests, name)


@pytest.fixture
def answering():
    """A socket server that answers each model's metadata with the status it was told."""
    listener = socket.create_server(("127.0.0.1", 0))
    statuses: dict[str, int] = {}
    asked = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(4096)
                path = request.decode().split()[1]
                asked.append(path)
                status = statuses.get(path.split("/")[3], 404)
                connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    threading.Thread(target=serve, daemon=True).start()
    yield statuses, asked, listener.getsockname()[1]
    listener.close()


def _probe(k8s, port, *models):
    script = k8s / "serving" / "base" / "config" / "ready.sh"
    environment = {"REST_PORT": str(port), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["bash", script, *models],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_probe_holds_only_when_all_models_answer(k8s, answering):
    statuses, asked, port = answering
    statuses.update(a=200, b=200)
    assert _probe(k8s, port, "a", "b").returncode == 0
    assert asked == ["/v1/models/a/metadata", "/v1/models/b/metadata"]
    statuses["b"] = 404
    failed = _probe(k8s, port, "a", "b")
    assert failed.returncode == 1
    assert "model b is not served: HTTP 404" in failed.stdout


def test_the_probe_fails_where_nothing_listens(k8s):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert _probe(k8s, free.getsockname()[1], "a").returncode == 1
