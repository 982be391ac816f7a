"""Alerts and dashboard: Prometheus' own tool reads them, and they ask for what is exported."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
import yaml

from serving.server.call import Call
from serving.server.config_files import single_model
from serving.server.metrics import DEFAULT_PATH, Metrics

CASES = Path(__file__).with_name("alerts.test.yaml")
TARGET = {"namespace", "pod", "job", "instance"}  # Prometheus' own, of every sample
# What others export, with the labels that each sample has. The first two as in Kubeflow Pipelines'
# backend/src/apiserver/resource/resource_manager.go; then kube-state-metrics, the kubelet.
OTHERS = {
    "resource_manager_workflow_runs_success": {"profile", "workflow"},
    "resource_manager_workflow_runs_failed": {"profile", "workflow"},
    "kube_deployment_status_replicas_available": {"namespace", "deployment"},
    "kube_job_status_failed": {"namespace", "job_name", "reason"},
    "kube_job_status_succeeded": {"namespace", "job_name"},
    "kubelet_volume_stats_available_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
    "up": set(),
}
WORDS = {"and", "bool", "offset", "or", "unless"}
RECORDED = {"pawlens:last_success:timestamp_seconds": {"profile", "pipeline"}}


@pytest.fixture(scope="module")
def manifests(render):
    return render("monitoring")


@pytest.fixture(scope="module")
def exported():
    """Names of samples, with their labels, of a server that has done everything once."""
    metrics = Metrics()
    metrics.configure(single_model("m", "/models"))
    metrics.count(Call("grpc", "Predict", "id", model="m", batch_size=1, run_seconds=0.01))
    metrics.count(Call("rest", "predict", "id", model="m", status=grpc.StatusCode.INTERNAL))
    metrics.loaded("/models/m/1", 1.0, ok=True)
    metrics.warmed_up("/models/m/1", 1.0)
    metrics.queued("m", 0.001)
    samples: dict[str, set[str]] = {}
    for line in metrics.page().splitlines():
        if not line.startswith("#"):
            name, _, labels = line.partition("{")
            samples.setdefault(name, set()).update(re.findall(r"(\w+)=\"", labels))
    return samples


@pytest.fixture(scope="module")
def groups(manifests):
    found = [one for one in manifests if one["kind"] == "PrometheusRule"]
    assert len(found) >= 2
    return [group for one in found for group in one["spec"]["groups"]]


@pytest.fixture(scope="module")
def rules(groups):
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def asked(manifests, one_of):
    """What the dashboard's panels ask."""
    [text] = one_of(manifests, "ConfigMap")["data"].values()
    targets = [target for panel in json.loads(text)["panels"] for target in panel["targets"]]
    return [target["expr"].replace("$__rate_interval", "5m") for target in targets]


def _asked(expression):
    """Metrics with the labels that their matchers name; labels that are grouped by, and made.

    Whether the expression is one at all, promtool says.
    """
    replaced = re.findall(r'"(\w+)", "[^"]*", "(\w+)", "[^"]*"\)', expression)
    bare = re.sub(r'"[^"]*"', "", expression)
    grouping = r"\b(?:by|on|without|ignoring) *\(([^)]*)\)"
    grouped = set(re.findall(r"\w+", " ".join(re.findall(grouping, bare))))
    selector = r"(?<![\w:])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()(?:\{([^}]*)\})?"
    metrics = [
        (name, set(re.findall(r"\w+", matchers)))
        for name, matchers in re.findall(selector, re.sub(grouping, "", bare))
        if name not in WORDS
    ]
    return metrics, grouped | {source for _, source in replaced}, {made for made, _ in replaced}


@pytest.fixture(scope="module")
def check(exported):
    """Checks that an expression asks for metrics and labels that there are."""
    there = exported | OTHERS | RECORDED

    def checked(expression):
        metrics, grouped, made = _asked(expression)
        assert metrics, expression
        for name, labels in metrics:
            assert name in there, name
            assert labels <= there[name] | TARGET, (name, labels)
        known = set.union(TARGET, made, *(there[name] for name, _ in metrics))
        assert grouped <= known, grouped - known

    return checked


def test_rules_and_panels_ask_for_exported_metrics(rules, asked, check):
    assert len(rules) >= 10
    for expression in (*(rule["expr"] for rule in rules), *asked):
        check(expression)
    assert {rule["record"] for rule in rules if "record" in rule} == set(RECORDED)


def test_every_alert_says_what_it_means_how_bad_it_is_and_where(rules):
    alerts = [rule for rule in rules if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["alert"].startswith("Pawlens")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["for"]
        used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        metrics, grouped, made = _asked(rule["expr"])
        known = {x for name, matched in metrics for x in RECORDED.get(name, set()) | matched}
        assert used <= known | grouped | made, rule["alert"]


def test_objects_are_looked_for_wherever_pawlens_may_be(rules, manifests, one_of):
    places = one_of(manifests, "ServiceMonitor")["spec"]["namespaceSelector"]["matchNames"]
    wanted = f'namespace=~"{"|".join(places)}"'
    for rule in rules:
        if any(name.startswith("kube") for name, _ in _asked(rule["expr"])[0]):
            assert wanted in rule["expr"], rule["alert"]


@pytest.mark.parametrize("overlay", ["cpu", "standalone", "dev"])
def test_prometheus_scrapes_the_port_and_path_of_the_server(manifests, render, one_of, overlay):
    monitor = one_of(manifests, "ServiceMonitor")["spec"]
    serving = render(f"serving/overlays/{overlay}")
    services = [one for one in serving if one["kind"] == "Service"]
    wanted = monitor["selector"]["matchLabels"].items()
    chosen = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    [endpoint] = monitor["endpoints"]
    ports = [port["name"] for one in chosen for port in one["spec"]["ports"]]
    assert ports.count(endpoint["port"]) == 1, "each pod is scraped once"
    assert endpoint["path"] == DEFAULT_PATH
    config = one_of(serving, "ConfigMap")
    assert f'path: "{endpoint["path"]}"' in config["data"]["monitoring.config"]
    assert {one["metadata"]["namespace"] for one in chosen} <= set(
        monitor["namespaceSelector"]["matchNames"]
    )


def test_prometheus_may_reach_the_api_server_that_it_scrapes(manifests, one_of):
    own = one_of(manifests, "PodMonitor")["metadata"]["namespace"]
    monitor = one_of(manifests, "PodMonitor")["spec"]
    policy = one_of(manifests, "NetworkPolicy")
    assert [policy["metadata"]["namespace"]] == monitor["namespaceSelector"]["matchNames"]
    assert policy["spec"]["podSelector"] == monitor["selector"]
    # As in the Deployment ml-pipeline of Kubeflow Pipelines.
    assert monitor["selector"] == {"matchLabels": {"app": "ml-pipeline"}}
    assert [one["port"] for one in monitor["podMetricsEndpoints"]] == ["http"]
    [rule] = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": 8888, "protocol": "TCP"}]
    [source] = rule["from"]
    names = source["namespaceSelector"]["matchLabels"]
    assert names == {"kubernetes.io/metadata.name": own}


@pytest.fixture
def promtool(tmp_path):
    """Runs promtool on rules, beside a file of those and one of cases."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")

    def run(groups, *arguments):
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
        shutil.copy(CASES, tmp_path)
        subprocess.run(["promtool", *arguments], cwd=tmp_path, check=True, timeout=500)

    return run


def test_prometheus_takes_what_the_dashboard_asks(promtool, asked):
    rules = [{"record": f"panel{number}", "expr": one} for number, one in enumerate(asked)]
    assert len(rules) >= 6
    promtool([{"name": "dashboard", "rules": rules}], "check", "rules", "rules.yaml")


def test_alerts_fire_when_they_should(promtool, groups):
    promtool(groups, "test", "rules", CASES.name)
