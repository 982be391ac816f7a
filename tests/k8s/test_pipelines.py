"""The pipelines' part: what jobs, accounts and policies say has to fit the code, and each other."""

import os
import re
import subprocess
from importlib.metadata import version
from urllib.parse import urlsplit

import pytest
import typer
from kfp import client

from pipelines.cli_kubeflow import kubeflow_app
from pipelines.config import load_config
from pipelines.kubeflow.client.cron import next_times

DAY = 86400


@pytest.fixture(params=["standalone", "multi-user"])
def overlay(request, render):
    return render(f"pipelines/overlays/{request.param}")


@pytest.fixture
def images(overlay):
    [found] = [one["data"] for one in overlay if "PIPELINE_IMAGE" in one.get("data", {})]
    return found


@pytest.fixture
def job(overlay, one_of):
    """The Job that makes schedules."""
    return one_of(overlay, "Job", "pawlens-schedules")


@pytest.fixture
def scheduled(job, images):
    """Pipeline and flags of each schedule, as the command line reads them in the container."""
    command = typer.main.get_command(kubeflow_app).commands["schedule"]
    found = []
    for container in job["spec"]["template"]["spec"]["containers"]:
        *start, config = container["command"]
        assert start == ["pawlens", "kubeflow", "schedule"]
        # As Kubernetes does.
        args = [re.sub(r"\$\((\w+)\)", lambda m: images[m[1]], one) for one in container["args"]]
        found.append((config, command.make_context("schedule", [config, *args]).params))
    return found


def test_all_run_the_images_of_this_version(overlay, images, render, pod_specs, containers):
    assert images == {
        "PIPELINE_IMAGE": f"pawlens/pipeline:{version('pawlens')}",
        "PIPELINE_GPU_IMAGE": f"pawlens/pipeline-gpu:{version('pawlens')}",
    }
    pods = pod_specs((*overlay, *render("pipelines/data-loader")))
    assert len(pods) == 3
    for pod in pods:
        assert {one["image"] for one in containers(pod)} == {images["PIPELINE_IMAGE"]}


def test_every_pipeline_that_is_served_is_scheduled(scheduled, render, one_of):
    text = one_of(render("serving/base"), "ConfigMap")["data"]["models.config"]
    served = set(re.findall(r'name: "(\w+)"', text))
    assert {load_config(config).pusher.model_name for config, _ in scheduled} == served


def test_schedules_are_what_the_command_takes(scheduled, images, overlay, job, one_of):
    own = job["metadata"]["namespace"]
    for config, flags in scheduled:
        # Only where users have one is the API told a namespace.
        assert flags["namespace"] == ("" if own == "kubeflow" else own)
        assert next_times(flags["cron"])
        kubeflow = load_config(config, flags["sets"]).kubeflow
        assert kubeflow.image == images["PIPELINE_IMAGE"]
        assert kubeflow.gpu_image == images["PIPELINE_GPU_IMAGE"]
        assert one_of(overlay, "ServiceAccount", kubeflow.service_account)
        assert kubeflow.data == f"/data/{config}"
        assert flags["max_concurrency"] == 1
        assert not flags["catch_up"]


def test_the_jobs_token_is_where_the_command_looks_and_for_its_api(job):
    pod = job["spec"]["template"]["spec"]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "token"]
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    assert token["audience"] == "pipelines.kubeflow.org"
    for container in pod["containers"]:
        assert "--in-cluster" in container["args"]
        [path] = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "token"]
        assert f"{path}/{token['path']}" == client.KF_PIPELINES_SA_TOKEN_PATH


def test_the_jobs_may_reach_the_api_that_they_call(scheduled, overlay, job, one_of):
    policy = one_of(overlay, "NetworkPolicy", "pawlens-schedules")["spec"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    [rule] = [rule for rule in policy["egress"] if "to" in rule]
    [peer] = rule["to"]
    [port] = rule["ports"]
    for _, flags in scheduled:
        url = urlsplit(flags["host"])
        assert url.port == port["port"]
        service, namespace, _ = url.hostname.split(".")
        assert peer["podSelector"]["matchLabels"] == {"app": service}
        name = {"kubernetes.io/metadata.name": namespace}
        assert peer["namespaceSelector"]["matchLabels"] == name


def test_alerts_know_the_schedules(scheduled, render, one_of):
    """More than one miss before anybody is woken, and no name of a run goes unseen."""
    runs = one_of(render("monitoring"), "PrometheusRule", "pawlens-runs")
    rules = runs["spec"]["groups"][0]["rules"]
    [record] = [rule["expr"] for rule in rules if "record" in rule]
    [alert] = [rule["expr"] for rule in rules if rule.get("alert") == "PawlensNoSuccessfulRun"]
    days = dict(re.findall(r'pipeline="(\w+)"\} > (\d+) \* 86400', alert))
    patience = {name: int(number) * DAY for name, number in days.items()}
    assert set(patience) == {config for config, _ in scheduled}
    patterns = dict(re.findall(r'"pipeline", "(\w+)", "workflow", "([^"]+)"', record))
    for config, flags in scheduled:
        first, second = next_times(flags["cron"], 2)
        assert patience[config] > 1.3 * (second - first).total_seconds()
        name = config.replace("_", "-")
        for workflow in (f"{name}-x7k2p", f"{name}abcde-12-345", f"{config.replace('_', '')}a-1-2"):
            matching = [one for one, form in patterns.items() if re.fullmatch(form, workflow)]
            assert matching == [config]
            [any_of] = re.findall(r'success\{workflow=~"([^"]+)"', record)
            assert re.fullmatch(any_of, workflow)


def test_jobs_vanish_and_do_not_run_for_ever(overlay):
    jobs = [one["spec"] for one in overlay if one["kind"] == "Job"]
    assert len(jobs) == 2
    for job in jobs:
        assert job["ttlSecondsAfterFinished"] <= DAY
        assert job["backoffLimit"] >= 1
        assert job["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"


def test_the_api_is_asked_for_rights_only_where_it_asks_for_them(render, one_of):
    profile = render("pipelines/overlays/multi-user")
    rules = one_of(profile, "Role", "pawlens-scheduler")["rules"]
    cluster = [rule for rule in rules if rule["apiGroups"] != ["pipelines.kubeflow.org"]]
    assert [(rule["resources"], rule["verbs"]) for rule in cluster] == [
        (["serviceaccounts"], ["use"])
    ]
    assert cluster[0]["resourceNames"] == ["pawlens-pipeline"]
    standalone = render("pipelines/overlays/standalone")
    assert one_of(standalone, "ServiceAccount", "pawlens-scheduler")
    role = one_of(standalone, "Role")
    assert role["metadata"]["name"] == "pawlens-pipeline"
    asked = [rule for rule in role["rules"] if rule["apiGroups"] == ["pipelines.kubeflow.org"]]
    assert [rule["resources"] for rule in asked] == [["runs"], ["artifacts"]]


def test_one_machine_schedules_nothing(render, pod_specs):
    dev = render("pipelines/overlays/dev")
    assert "pawlens-schedule" not in repr([one for one in dev if one["kind"] != "ConfigMap"])
    assert len(pod_specs(dev)) == 1


def test_the_profile_and_its_namespace_have_one_owner(render, one_of):
    profile = render("pipelines/profile")
    owner = one_of(profile, "Profile")["spec"]["owner"]["name"]
    namespace = one_of(profile, "Namespace")["metadata"]
    assert namespace["annotations"] == {"owner": owner}
    assert namespace["name"] == one_of(profile, "Profile")["metadata"]["name"] == "pawlens"
    levels = {key: value for key, value in namespace["labels"].items() if "pod-security" in key}
    assert levels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert levels["pod-security.kubernetes.io/warn"] == "restricted"


def test_volumes_are_prepared_and_one_that_cannot_be_written_is_told(k8s, tmp_path):
    def prepare(*folders):
        command = ["sh", k8s / "pipelines" / "base" / "prepare-volumes.sh", *folders]
        how = {"env": {"PATH": os.environ["PATH"]}, "timeout": 30, "text": True}
        return subprocess.run(command, capture_output=True, check=False, **how)

    (tmp_path / "data").mkdir()
    done = prepare(tmp_path, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert list((tmp_path / "data").iterdir()) == []
    done = prepare(tmp_path / "missing", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'missing'} cannot be written by user" in done.stderr
    assert "fsGroup" in done.stderr
    assert f"{tmp_path} can be written" in done.stdout
