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
def scheduled(overlay, one_of, images):
    """Pipeline and flags of each schedule, as the command line reads them in the container."""
    pod = one_of(overlay, "Job", "pawlens-schedules")["spec"]["template"]["spec"]
    command = typer.main.get_command(kubeflow_app).commands["schedule"]
    found = []
    for container in pod["containers"]:
        *start, config = container["command"]
        assert start == ["pawlens", "kubeflow", "schedule"]
        # As Kubernetes does.
        args = [re.sub(r"\$\((\w+)\)", lambda m: images[m[1]], one) for one in container["args"]]
        found.append((config, command.make_context("schedule", [config, *args]).params))
    return found


def test_images_are_those_of_this_version(images):
    assert images == {
        "PIPELINE_IMAGE": f"pawlens/pipeline:{version('pawlens')}",
        "PIPELINE_GPU_IMAGE": f"pawlens/pipeline-gpu:{version('pawlens')}",
    }


def test_jobs_and_the_loader_run_the_image_of_the_steps(
    overlay, images, render, pod_specs, containers
):
    pods = pod_specs((*overlay, *render("pipelines/data-loader")))
    assert len(pods) == 3
    for pod in pods:
        assert {one["image"] for one in containers(pod)} == {images["PIPELINE_IMAGE"]}


def test_every_pipeline_that_is_served_is_scheduled(scheduled, render):
    [text] = [
        one["data"]["models.config"] for one in render("serving/base") if one["kind"] == "ConfigMap"
    ]
    served = set(re.findall(r'name: "(\w+)"', text))
    assert {load_config(config).pusher.model_name for config, _ in scheduled} == served


def test_schedules_are_what_the_command_takes(scheduled, images, overlay, one_of):
    for config, flags in scheduled:
        assert next_times(flags["cron"])
        kubeflow = load_config(config, flags["sets"]).kubeflow
        assert kubeflow.image == images["PIPELINE_IMAGE"]
        assert kubeflow.gpu_image == images["PIPELINE_GPU_IMAGE"]
        assert one_of(overlay, "ServiceAccount", kubeflow.service_account)
        assert kubeflow.data == f"/data/{config}"
        assert flags["max_concurrency"] == 1
        assert not flags["catch_up"]


def test_the_api_is_told_the_namespace_only_where_users_have_one(scheduled, overlay, one_of):
    own = one_of(overlay, "Job", "pawlens-schedules")["metadata"]["namespace"]
    assert {flags["namespace"] for _, flags in scheduled} == {"" if own == "kubeflow" else own}


def test_the_jobs_token_is_where_the_command_looks_and_for_its_api(overlay, one_of):
    pod = one_of(overlay, "Job", "pawlens-schedules")["spec"]["template"]["spec"]
    [token] = [
        volume["projected"]["sources"][0]["serviceAccountToken"]
        for volume in pod["volumes"]
        if volume["name"] == "token"
    ]
    assert token["audience"] == "pipelines.kubeflow.org"
    for container in pod["containers"]:
        assert "--in-cluster" in container["args"]
        [path] = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "token"]
        assert f"{path}/{token['path']}" == client.KF_PIPELINES_SA_TOKEN_PATH


def test_the_jobs_may_reach_the_api_that_they_call(scheduled, overlay, one_of):
    policy = one_of(overlay, "NetworkPolicy", "pawlens-schedules")["spec"]
    job = one_of(overlay, "Job", "pawlens-schedules")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= job.items()
    [rule] = [rule for rule in policy["egress"] if "to" in rule]
    [peer] = rule["to"]
    [port] = rule["ports"]
    for _, flags in scheduled:
        url = urlsplit(flags["host"])
        assert url.port == port["port"]
        service, namespace, _ = url.hostname.split(".")
        assert peer["podSelector"]["matchLabels"] == {"app": service}
        assert peer["namespaceSelector"]["matchLabels"] == {
            "kubernetes.io/metadata.name": namespace
        }


def test_alerts_know_the_schedules(scheduled, render):
    """More than one miss before anybody is woken, and no name of a run goes unseen."""
    rules = [
        rule
        for one in render("monitoring")
        if one["metadata"]["name"] == "pawlens-runs"
        for rule in one["spec"]["groups"][0]["rules"]
    ]
    [record] = [rule["expr"] for rule in rules if "record" in rule]
    [alert] = [rule["expr"] for rule in rules if rule.get("alert") == "PawlensNoSuccessfulRun"]
    patience = {
        name: int(days) * DAY
        for name, days in re.findall(r'pipeline="(\w+)"\} > (\d+) \* 86400', alert)
    }
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


@pytest.fixture
def prepare(k8s):
    def run(*folders):
        script = k8s / "pipelines" / "base" / "prepare-volumes.sh"
        return subprocess.run(
            ["sh", script, *folders],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def test_volumes_that_can_be_written_are_prepared(prepare, tmp_path):
    (tmp_path / "data").mkdir()
    done = prepare(tmp_path, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert list((tmp_path / "data").iterdir()) == []


def test_a_volume_that_cannot_be_written_is_told(prepare, tmp_path):
    done = prepare(tmp_path / "missing", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'missing'} cannot be written by user" in done.stderr
    assert "fsGroup" in done.stderr
    assert f"{tmp_path} can be written" in done.stdout
