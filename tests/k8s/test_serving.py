"""Ports, names and files that have to agree; the embedded server takes what the pods' one gets."""

import gc
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest
import tensorflow as tf

from pipelines.cli_ask import SEGMENTER_NAME
from serving.client import CLASSIFIER_NAME, DEFAULT_TARGET
from serving.server.options import parse_flags
from serving.server.running import run


@pytest.fixture(scope="module")
def manifests(render):
    return render("serving/overlays/cpu")


@pytest.fixture(scope="module")
def container(manifests, pod_specs):
    [pod] = pod_specs(manifests)
    return pod["containers"][0]


def test_flags_ports_and_service_agree_with_the_clients_default(manifests, container, one_of):
    flags = dict(arg.removeprefix("--").split("=", 1) for arg in container["args"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": int(flags["port"]), "rest": int(flags["rest_api_port"])}
    service = one_of(manifests, "Service", "serving")
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    assert DEFAULT_TARGET.endswith(f":{ports['grpc']}")


@pytest.fixture(scope="module")
def flags_here(manifests, container, tmp_path_factory):
    """Turns a pod's arguments into those of a server here: its files and folders, free ports."""

    def adapt(manifests=manifests, container=container):
        folder = tmp_path_factory.mktemp("pod")
        [config] = [one for one in manifests if one["kind"] == "ConfigMap"]
        for name, text in config["data"].items():
            (folder / name).write_text(text.replace("/models/", f"{folder}/models/"))
        for name in (CLASSIFIER_NAME, SEGMENTER_NAME):
            (folder / "models" / name).mkdir(parents=True)
        [cpus] = [one for one in container["env"] if one["name"] == "CPUS"]
        assert cpus["valueFrom"]["resourceFieldRef"]["resource"] == "limits.cpu"
        values = {"/etc/serving/": f"{folder}/", "$(CPUS)": container["resources"]["limits"]["cpu"]}
        flags = container["args"]
        for name, value in values.items():
            flags = [arg.replace(name, value) for arg in flags]
        return folder, flags

    return adapt


@pytest.mark.parametrize("overlay", ["cpu", "gpu", "object-store", "embedded", "standalone", "dev"])
def test_the_embedded_server_takes_arguments_and_files_of_the_pods(
    overlay, render, pod_specs, flags_here
):
    manifests = render(f"serving/overlays/{overlay}")
    manifests = [one for one in manifests if "sync-config" not in one["metadata"]["name"]]
    [pod] = pod_specs(manifests)
    container = pod["containers"][0]
    folder, flags = flags_here(manifests, container)
    options = parse_flags(flags)
    models = {one.name: one.base_path for one in options.config.model_config_list.config}
    # The pusher writes to <serving root>/<model name>.
    assert models == {name: f"{folder}/models/{name}" for name in (CLASSIFIER_NAME, SEGMENTER_NAME)}
    for probe in ("startupProbe", "readinessProbe"):
        assert set(container[probe]["exec"]["command"][2:]) == set(models)
    assert (options.port, options.rest_api_port) == (8500, 8501)
    assert options.monitoring.prometheus_config.enable
    if overlay == "embedded":
        assert container["command"] == ["pawlens", "serve"]
        assert not options.enable_reload_config
        assert not options.enable_reflection
    if overlay == "gpu":
        assert options.batching.max_batch_size == 64
        assert options.batching.num_batch_threads == 1
    else:
        assert options.batching is None
    limit = int(container["resources"]["limits"]["cpu"])
    assert options.tensorflow_intra_op_parallelism == limit
    assert options.tensorflow_inter_op_parallelism == limit


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def server(flags_here):
    """The embedded server as a pod would run it, with two tiny models; its REST port."""
    folder, flags = flags_here()
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.double = tf.function(lambda x: {"y": 2.0 * x}, input_signature=[spec])
    for name in (CLASSIFIER_NAME, SEGMENTER_NAME):
        signatures = {"serving_default": module.double}
        tf.saved_model.save(module, str(folder / "models" / name / "1"), signatures=signatures)
    port = _free_port()
    options = parse_flags([*flags, "--port=0", f"--rest_api_port={port}"])
    started, stop = threading.Event(), threading.Event()
    interval = sys.getswitchinterval()
    serving = threading.Thread(target=run, args=(options, started, stop), daemon=True)
    serving.start()
    assert started.wait(120)
    yield port
    stop.set()
    serving.join(60)
    sys.setswitchinterval(interval)
    gc.unfreeze()


def _probe(k8s, port, *models):
    script = k8s / "serving" / "base" / "config" / "ready.sh"
    how = {"env": {"REST_PORT": str(port), "PATH": "/usr/bin:/bin"}, "timeout": 30, "text": True}
    return subprocess.run(["bash", script, *models], capture_output=True, check=False, **how)


def test_the_readiness_probe_holds_while_all_models_are_served(k8s, server, container):
    models = container["readinessProbe"]["exec"]["command"][2:]
    assert len(models) == 2
    done = _probe(k8s, server, *models)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    failed = _probe(k8s, server, CLASSIFIER_NAME, "other")
    assert (failed.returncode, failed.stdout) == (1, "model other is not served: HTTP 404\n")
    assert _probe(k8s, _free_port(), CLASSIFIER_NAME).returncode == 1
    with socket.create_server(("127.0.0.1", 0)) as silent:  # which hangs
        assert _probe(k8s, silent.getsockname()[1], CLASSIFIER_NAME).returncode == 1


def test_liveness_and_metrics_are_where_they_are_looked_for(server, container, render, one_of):
    [endpoint] = one_of(render("monitoring"), "ServiceMonitor")["spec"]["endpoints"]
    metrics = ":tensorflow:cc:saved_model:load_attempt_count{"
    for asks, words in ((container["livenessProbe"]["httpGet"], ""), (endpoint, metrics)):
        url = f"http://127.0.0.1:{server}{asks['path']}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200
            assert words in answer.read().decode()
