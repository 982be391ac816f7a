"""Who may call whom: nobody, but for what a policy says."""

import shutil
from urllib.parse import urlsplit

import pytest
import yaml

# What Argo and KServe make, by the labels that they give.
RUN = {"workflows.argoproj.io/workflow": "cats-vs-dogs-x7k2p"}
READER = {"pawlens.dev/models-store": "reader"}
OURS = ["pipelines/overlays/multi-user", "pipelines/data-loader", "flink"]
OURS += [f"serving/overlays/{name}" for name in ("cpu", "gpu", "object-store")]


def _policies(manifests):
    return [one for one in manifests if one["kind"] == "NetworkPolicy"]


def _selects(selector, labels):
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for one in selector.get("matchExpressions", []):
        if one["key"] not in labels or labels[one["key"]] not in one.get("values", labels.values()):
            return False
    return True


def _rules(manifests, labels, way):
    """What policies let pods of these labels do; None where no policy speaks of it."""
    found = [
        one["spec"]
        for one in _policies(manifests)
        if _selects(one["spec"]["podSelector"], labels)
        and way.capitalize() in one["spec"]["policyTypes"]
    ]
    return [rule for spec in found for rule in spec.get(way, [])] if found else None


def _labels(one):
    return one["metadata"]["labels"] if one["kind"] == "Pod" else _labels(_pod(one))


def _pod(one):
    return {"kind": "Pod", **one["spec"]["template"]}


def test_the_namespace_that_is_ours_is_closed(render, one_of):
    profile = render("pipelines/profile")
    policy = one_of(profile, "NetworkPolicy", "default-deny")
    assert policy["metadata"]["namespace"] == one_of(profile, "Namespace")["metadata"]["name"]
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("folder", OURS)
def test_every_pod_of_ours_has_a_policy_of_its_own(render, folder):
    manifests = render(folder)
    pods = [one for one in manifests if one["kind"] in ("Pod", "Deployment", "Job")]
    assert pods
    for pod in pods:
        for way in ("ingress", "egress"):
            rules = _rules(manifests, _labels(pod), way)
            assert rules is not None, (pod["metadata"]["name"], way)
            assert {} not in rules  # from everywhere, to everywhere


@pytest.mark.parametrize("overlay", ["multi-user", "standalone", "dev"])
def test_pods_of_runs_are_called_by_nobody(render, overlay):
    manifests = render(f"pipelines/overlays/{overlay}")
    assert _rules(manifests, RUN, "ingress") == []
    names, kubeflow, beside, outside = _rules(manifests, RUN, "egress")  # docs/cluster.md counts them
    assert "namespaceSelector" in kubeflow["to"][0]
    assert beside == {"to": [{"podSelector": {}}]}
    assert {port["port"] for port in names["ports"]} == {53}
    assert outside == {"ports": [{"port": 443}, {"port": 6443}]}


def test_what_kubeflow_has_in_a_profile_and_sidecars_go_on_working(render):
    profile = render("pipelines/profile")
    kubeflow = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kubeflow"}}}
    labels = {"app": "ml-pipeline-ui-artifact", "security.istio.io/tlsMode": "istio"}
    assert _rules(profile, labels, "ingress") == [{"from": [kubeflow]}]
    egress = _rules(profile, labels, "egress")
    assert {"to": [kubeflow]} in egress
    assert [{"port": 15012}] in [rule["ports"] for rule in egress if "ports" in rule]


def test_predictors_are_called_by_whom_our_servers_are(render, one_of):
    kserve = render("serving/overlays/kserve")
    [*clients, metrics] = one_of(render("serving/base"), "NetworkPolicy")["spec"]["ingress"]
    callers = [peer for rule in (*clients, metrics) for peer in rule["from"]]
    services = [one["metadata"] for one in kserve if one["kind"] == "InferenceService"]
    assert len(services) == 2
    for service in services:
        labels = {**service["labels"], "serving.kserve.io/inferenceservice": service["name"]}
        assert _rules(kserve, labels, "ingress") == [{"from": callers, "ports": [{"port": 8080}]}]
        assert _rules(kserve, labels, "egress") == _rules(kserve, READER, "egress")


def test_readers_reach_the_store_that_is_configured_and_no_other(render, k8s):
    objects = render("serving/overlays/object-store")
    [config] = [one["data"] for one in objects if "MODELS_SOURCE" in one.get("data", {})]
    url = urlsplit(config["RCLONE_CONFIG_MODELS_ENDPOINT"])
    secrets = yaml.safe_load((k8s / "pipelines" / "secrets" / "kustomization.yaml").read_text())
    [told] = [one["options"] for one in secrets["secretGenerator"] if "options" in one]
    endpoint = told["annotations"]["serving.kserve.io/s3-endpoint"]
    assert endpoint == f"{url.hostname.removesuffix('.svc')}:{url.port}"
    names, store = _rules(objects, READER, "egress")
    assert {port["port"] for port in names["ports"]} == {53}
    [peer] = store["to"]
    namespace = url.hostname.split(".")[1]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert "minio" in peer["podSelector"]["matchExpressions"][0]["values"]
    assert url.port in {port["port"] for port in store["ports"]}
    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    assert READER.items() <= _labels(deployment).items()


def test_the_patch_for_another_store_is_one(render, k8s, tmp_path):
    shutil.copytree(k8s / "serving" / "store", tmp_path / "store")
    file = tmp_path / "store" / "kustomization.yaml"
    head, patch = file.read_text().split("# patches:")
    lines = f"# patches:{patch}".splitlines()
    file.write_text(head + "\n".join(line.removeprefix("# ") for line in lines))
    names, store = _rules(render(str(file.parent)), READER, "egress")
    assert {port["port"] for port in names["ports"]} == {53}
    assert store == {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}
