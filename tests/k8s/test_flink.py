"""The Flink cluster that Beam's steps may run on."""

from importlib.metadata import version

import pytest
import yaml
from apache_beam.options.pipeline_options import FlinkRunnerOptions

from pipelines.kubeflow.settings import DEFAULT_VOLUMES

WORKER = "worker-pool"


@pytest.fixture
def named(render):
    """The objects of a kind, by name."""
    flink = render("flink")
    return lambda kind: {one["metadata"]["name"]: one for one in flink if one["kind"] == kind}


@pytest.fixture
def pods(named):
    return {name: one["spec"]["template"]["spec"] for name, one in named("Deployment").items()}


@pytest.fixture
def containers(pods):
    return {one["name"]: one for pod in pods.values() for one in pod["containers"]}


@pytest.fixture
def flags(containers):
    """Those of the job server."""
    return dict(flag.split("=", 1) for flag in containers["jobserver"]["args"])


def test_versions_are_pinned_and_belong_together(containers):
    images = {name: one["image"].partition(":") for name, one in containers.items()}
    job_server, _, job_server_tag = images["jobserver"]
    assert job_server_tag == version("apache-beam")
    flink = ".".join(images["taskmanager"][2].split(".")[:2])  # of 1.20.5-scala_2.12-java11
    assert flink in FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    assert job_server == f"apache/beam_flink{flink}_job_server"
    assert images["jobmanager"] == images["taskmanager"]
    assert images[WORKER] == ("pawlens/pipeline", ":", version("pawlens"))


def test_pods_mount_claims_that_there_are(named, pods):
    assert set(pods) == {"flink-jobmanager", "flink-taskmanager", "flink-jobserver"}
    claims = {*named("PersistentVolumeClaim"), "data"}  # that one is the pipeline's
    for pod in pods.values():
        mounted = [one.get("persistentVolumeClaim", {}) for one in pod["volumes"]]
        assert {one["claimName"] for one in mounted if one} <= claims


def test_configuration_names_ports_that_are_open_and_memory_that_is_there(named, containers, flags):
    open_ports = {}
    for name, service in named("Service").items():
        assert name == service["spec"]["selector"]["app.kubernetes.io/name"]
        open_ports |= {f"{name}:{one['port']}": one["name"] for one in service["spec"]["ports"]}
    [config] = named("ConfigMap").values()
    settings = yaml.safe_load(config["data"]["config.yaml"])
    for address, port in (
        ("jobmanager.rpc.address", "jobmanager.rpc.port"),
        ("jobmanager.rpc.address", "blob.server.port"),
        ("rest.address", "rest.port"),
    ):
        assert f"{settings[address]}:{settings[port]}" in open_ports
    tasks = {port["name"]: port["containerPort"] for port in containers["taskmanager"]["ports"]}
    assert tasks == {name: settings[f"taskmanager.{name}.port"] for name in ("data", "rpc")}
    assert flags["--flink-master"] in open_ports
    assert open_ports[f"flink-jobserver:{flags['--job-port']}"] == "jobs"
    assert open_ports[f"flink-jobserver:{flags['--artifact-port']}"] == "artifacts"
    for name in ("jobmanager", "taskmanager"):
        size = int(settings[f"{name}.memory.process.size"].removesuffix("m"))
        for kind in ("limits", "requests"):
            there = containers[name]["resources"][kind]["memory"]
            assert size <= int(there.removesuffix("Mi"))


def test_workers_see_what_the_steps_see_at_the_same_paths(containers, flags):
    mounts = {one["mountPath"]: one for one in containers[WORKER]["volumeMounts"]}
    assert mounts["/minio"]["name"] == mounts["/s3"]["name"] == "artifacts"
    [data] = [one for one in DEFAULT_VOLUMES if one.claim == "data"]
    assert mounts[data.path]["readOnly"] is True
    for name in ("jobserver", "taskmanager"):
        mounted = containers[name]["volumeMounts"]
        [folder] = [one["mountPath"] for one in mounted if one["name"] == "artifacts"]
        assert flags["--artifacts-dir"].startswith(folder)


def test_the_worker_pool_answers_where_the_options_say(containers):
    pool = containers[WORKER]
    [port] = pool["ports"]
    assert f"--service_port={port['containerPort']}" in pool["args"]
    assert pool["command"][:2] == ["python", "-m"]
    # Without it the workers would not import our stand-in for a missing module.
    assert "--container_executable=/opt/apache/beam/boot" in pool["args"]


def test_flink_is_reached_by_its_own_pods_only(named):
    policies = named("NetworkPolicy")
    [rule] = policies["flink"]["spec"]["ingress"]
    [caller] = rule["from"]
    assert set(caller["podSelector"]["matchExpressions"][0]["values"]) == {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for one in named("Deployment").values()
    }
    [rule] = policies["flink-jobserver"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {}}]
    assert {port["port"] for port in rule["ports"]} == {"jobs", "artifacts"}
    for policy in policies.values():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
