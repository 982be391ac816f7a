"""Alerts and dashboard ask for metrics that a server really exports."""

import json
import re

import grpc
import pytest

from serving.server.metrics import DEFAULT_PATH, Metrics
from serving.server.observer import Call

OTHERS = {"kube_deployment_status_replicas_available"}  # kube-state-metrics
METRIC = re.compile(r"(?<![\w\"])(:tensorflow:[a-z_:]+|kube_[a-z_]+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)")


@pytest.fixture(scope="module")
def manifests(render):
    return render("monitoring")


@pytest.fixture(scope="module")
def exported():
    """Names of samples, with their labels, of a server that has done everything once."""
    metrics = Metrics()
    call = Call("grpc", "Predict", "id", model="m", batch_size=1, run_seconds=0.01)
    metrics.count(call)
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


def _one(manifests, kind):
    [found] = [one for one in manifests if one["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def rules(manifests):
    [group] = _one(manifests, "PrometheusRule")["spec"]["groups"]
    return group["rules"]


@pytest.fixture(scope="module")
def dashboard(manifests):
    [text] = _one(manifests, "ConfigMap")["data"].values()
    return json.loads(text)


def _asked(expression):
    return [(name, set(LABEL.findall(labels or ""))) for name, labels in METRIC.findall(expression)]


def _check(expression, exported):
    asked = _asked(expression)
    assert asked, expression
    for name, labels in asked:
        if name not in OTHERS:
            assert name in exported, name
            assert labels <= exported[name], (name, labels)
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    known = {label for name, _ in asked for label in exported.get(name, set())}
    for labels in grouped:
        assert {label.strip() for label in labels.split(",")} <= known


def test_alerts_ask_for_exported_metrics(rules, exported):
    assert len(rules) >= 4
    for rule in rules:
        _check(rule["expr"], exported)


def test_every_alert_says_what_it_means_and_how_bad_it_is(rules):
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["for"]


def test_dashboard_asks_for_exported_metrics(dashboard, exported):
    expressions = [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
    assert len(expressions) >= 6
    for expression in expressions:
        _check(expression.replace("$__rate_interval", "5m"), exported)


def test_panels_neither_share_an_id_nor_overlap(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_prometheus_scrapes_the_port_and_path_of_the_server(manifests, render):
    monitor = _one(manifests, "ServiceMonitor")["spec"]
    serving = render("serving/base")
    services = [one for one in serving if one["kind"] == "Service"]
    wanted = monitor["selector"]["matchLabels"].items()
    chosen = [one for one in services if wanted <= one["metadata"]["labels"].items()]
    [endpoint] = monitor["endpoints"]
    ports = [
        port for one in chosen for port in one["spec"]["ports"] if port["name"] == endpoint["port"]
    ]
    assert len(ports) == 1, "each pod is scraped once"
    assert endpoint["path"] == DEFAULT_PATH
    [config] = [one for one in serving if one["kind"] == "ConfigMap"]
    assert f'path: "{endpoint["path"]}"' in config["data"]["monitoring.config"]
    assert {one["metadata"]["namespace"] for one in chosen} == set(
        monitor["namespaceSelector"]["matchNames"]
    )
