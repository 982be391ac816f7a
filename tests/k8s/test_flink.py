"""The Flink cluster that Beam's steps may run on."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from apache_beam.options.pipeline_options import FlinkRunnerOptions

from components.beam_args import complete
from pipelines.kubeflow.settings import DEFAULT_VOLUMES

WORKER = "worker-pool"
DOCS = Path(__file__).parents[2] / "docs" / "cluster.md"


def documented_options() -> list[str]:
    """Beam's options that the docs give for this cluster."""
    [block] = re.findall(r"```yaml\n(beam:\n  args:.*?)```", DOCS.read_text(), re.DOTALL)
    return yaml.safe_load(block)["beam"]["args"]


@pytest.fixture
def flink(render):
    return render("flink")


@pytest.fixture
def pods(flink):
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in flink
        if one["kind"] == "Deployment"
    }


@pytest.fixture
def containers(pods):
    return {one["name"]: one for pod in pods.values() for one in pod["containers"]}


@pytest.fixture
def settings(flink):
    [config] = _named(flink, "ConfigMap").values()
    return yaml.safe_load(config["data"]["config.yaml"])


def _named(flink, kind):
    return {one["metadata"]["name"]: one for one in flink if one["kind"] == kind}


def test_versions_are_pinned_and_belong_together(containers):
    images = {name: one["image"].partition(":") for name, one in containers.items()}
    job_server, _, job_server_tag = images["jobserver"]
    assert job_server_tag == version("apache-beam")
    flink = ".".join(images["taskmanager"][2].split(".")[:2])  # of 1.20.5-scala_2.12-java11
    assert flink in FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    assert job_server == f"apache/beam_flink{flink}_job_server"
    assert images["jobmanager"] == images["taskmanager"]
    assert images[WORKER] == ("pawlens/pipeline", ":", version("pawlens"))


def test_pods_mount_claims_that_there_are(flink, pods):
    assert set(pods) == {"flink-jobmanager", "flink-taskmanager", "flink-jobserver"}
    claims = {*_named(flink, "PersistentVolumeClaim"), "data"}  # that one is the pipeline's
    for pod in pods.values():
        mounted = [one.get("persistentVolumeClaim", {}) for one in pod["volumes"]]
        assert {one["claimName"] for one in mounted if one} <= claims


def test_configuration_names_ports_that_are_open(flink, containers, settings):
    services = _named(flink, "Service")
    assert all(
        name == one["spec"]["selector"]["app.kubernetes.io/name"] for name, one in services.items()
    )
    open_ports = {
        f"{name}:{port['port']}": port["name"]
        for name, service in services.items()
        for port in service["spec"]["ports"]
    }
    for address, port in (
        ("jobmanager.rpc.address", "jobmanager.rpc.port"),
        ("jobmanager.rpc.address", "blob.server.port"),
        ("rest.address", "rest.port"),
    ):
        assert f"{settings[address]}:{settings[port]}" in open_ports
    tasks = {port["name"]: port["containerPort"] for port in containers["taskmanager"]["ports"]}
    assert tasks == {
        "data": settings["taskmanager.data.port"],
        "rpc": settings["taskmanager.rpc.port"],
    }
    flags = dict(flag.split("=", 1) for flag in containers["jobserver"]["args"])
    assert flags["--flink-master"] in open_ports
    assert open_ports[f"flink-jobserver:{flags['--job-port']}"] == "jobs"
    assert open_ports[f"flink-jobserver:{flags['--artifact-port']}"] == "artifacts"


def test_documented_options_use_all_slots_and_a_loss_is_no_lost_job(flink, settings):
    options = dict(option.split("=", 1) for option in complete(documented_options()))
    slots = settings["taskmanager.numberOfTaskSlots"]
    pods = _named(flink, "Deployment")["flink-taskmanager"]["spec"]["replicas"]
    assert int(options["--parallelism"]) == slots * pods
    assert int(options["--sdk_worker_parallelism"]) == slots
    # fixed-delay takes each region of a job that a loss fails for an attempt of its own.
    assert settings["restart-strategy.type"] == "exponential-delay"


def test_flinks_memory_is_within_its_containers(containers, settings):
    for name in ("jobmanager", "taskmanager"):
        size = int(settings[f"{name}.memory.process.size"].removesuffix("m"))
        resources = containers[name]["resources"]
        assert size <= int(resources["limits"]["memory"].removesuffix("Mi"))
        assert size <= int(resources["requests"]["memory"].removesuffix("Mi"))


def test_workers_see_what_the_steps_see_at_the_same_paths(containers, pods):
    mounts = {one["mountPath"]: one for one in containers[WORKER]["volumeMounts"]}
    assert mounts["/minio"]["name"] == mounts["/s3"]["name"] == "artifacts"
    [data] = [one for one in DEFAULT_VOLUMES if one.claim == "data"]
    assert mounts[data.path]["readOnly"] is True
    flags = dict(flag.split("=", 1) for flag in containers["jobserver"]["args"])
    for name in ("jobserver", "taskmanager"):
        [folder] = [
            one["mountPath"]
            for one in containers[name]["volumeMounts"]
            if one["name"] == "artifacts"
        ]
        assert flags["--artifacts-dir"].startswith(folder)


def test_the_worker_pool_answers_where_the_options_say(containers):
    pool = containers[WORKER]
    [port] = pool["ports"]
    assert f"--service_port={port['containerPort']}" in pool["args"]
    assert pool["command"][:2] == ["python", "-m"]
    # Without it the workers would not import our stand-in for a missing module.
    assert "--container_executable=/opt/apache/beam/boot" in pool["args"]
    # Into which boot writes: the image's own folder is read-only.
    assert pool["workingDir"] in [one["mountPath"] for one in pool["volumeMounts"]]


def test_flink_is_reached_by_its_own_pods_only(flink):
    policies = _named(flink, "NetworkPolicy")
    labels = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for one in _named(flink, "Deployment").values()
    }
    [rule] = policies["flink"]["spec"]["ingress"]
    [caller] = rule["from"]
    assert set(caller["podSelector"]["matchExpressions"][0]["values"]) == labels
    [rule] = policies["flink-jobserver"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}]
    assert {port["port"] for port in rule["ports"]} == {"jobs", "artifacts"}
    for policy in policies.values():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
