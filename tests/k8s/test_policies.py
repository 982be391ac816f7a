"""What holds for everything that is rendered, whatever it is for."""

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import kubernetes_validate
import pytest

K8S = Path(__file__).parents[2] / "k8s"
CRDS = Path(__file__).with_name("crds")
# Those that need files which are never committed have tests of their own.
UNCOMMITTED = {"pipelines/secrets"}
ALL = sorted(
    folder
    for path in K8S.rglob("kustomization.yaml")
    if (folder := path.parent.relative_to(K8S).as_posix()) not in UNCOMMITTED
)
KUBERNETES = "1.32"
BUILT_IN = {"v1", "apps/v1", "batch/v1", "policy/v1", "autoscaling/v2"}
BUILT_IN |= {"networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"}
USER = 65532  # of all images: files on shared volumes are everybody's alike
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
CLUSTER_SCOPED = {"Namespace", "Profile"}
# Whose pods, claims and policies go where: those of profiles, or of a standalone installation.
STANDALONE = {"standalone", "standalone-gpu", "dev"}
READER = {"pawlens.dev/models-store": "reader"}
RUN = {"workflows.argoproj.io/workflow": "cats-vs-dogs-x7k2p"}
# By folder, a pod that others make there.
MADE = {f"pipelines/overlays/{one}": RUN for one in ("dev", "standalone", "multi-user")}
MADE["serving/overlays/kserve"] = {"serving.kserve.io/inferenceservice": "cats-vs-dogs"}
MADE["pipelines/profile"] = {"app": "ml-pipeline-ui-artifact"}


def _rules(manifests, labels, way):
    """What policies let pods of these labels do; None where none chooses them by a label."""
    found = []
    for spec in (one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"):
        chosen = spec["podSelector"]
        fits = chosen.get("matchLabels", {}).items() <= labels.items() and all(
            labels.get(one["key"]) in one.get("values", labels.values())
            for one in chosen.get("matchExpressions", [])
        )
        if chosen and fits and way.capitalize() in spec["policyTypes"]:
            found.append(spec.get(way, []))
    return [rule for rules in found for rule in rules] if found else None


@pytest.fixture(params=ALL)
def folder(request):
    return request.param


@pytest.fixture
def manifests(folder, render):
    return render(folder)


@pytest.fixture
def pods(manifests):
    """Pods, and the templates of those that are made."""
    made = [one["spec"]["template"] for one in manifests if one["kind"] in ("Deployment", "Job")]
    return [one for one in manifests if one["kind"] == "Pod"] + made


@pytest.fixture
def all_containers(manifests, pod_specs, containers):
    return [one for pod in pod_specs(manifests) for one in containers(pod)]


def test_no_folder_is_left_out():
    assert {"monitoring", "pipelines/profile", "pipelines/data-loader"} <= set(ALL)
    assert len([one for one in ALL if one.startswith("serving/overlays/")]) >= 7
    assert len([one for one in ALL if one.startswith("pipelines/overlays/")]) >= 3


def test_every_object_fits_its_schema_and_has_a_name_of_its_own(manifests):
    told = [(one["kind"], one["metadata"]) for one in manifests]
    names = {(kind, metadata.get("namespace"), metadata["name"]) for kind, metadata in told}
    assert len(names) == len(manifests)
    for one in manifests:
        if one["apiVersion"] in BUILT_IN:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
        else:
            schema = json.loads((CRDS / f"{one['kind']}.json").read_text())
            jsonschema.validate(one, schema)


def test_whatever_has_a_namespace_to_be_in_says_so_and_an_overlay_has_one(folder, manifests):
    if folder in ("pipelines/base", "pipelines/data-loader"):  # `kubectl -n` or an overlay says it
        assert not any("namespace" in one["metadata"] for one in manifests)
        return
    for one in manifests:
        assert ("namespace" in one["metadata"]) == (one["kind"] not in CLUSTER_SCOPED)
    if folder.startswith(("serving/overlays/", "pipelines/overlays/")):
        wanted = "kubeflow" if folder.rpartition("/")[2] in STANDALONE else "pawlens"
        assert {one["metadata"].get("namespace") for one in manifests} == {wanted}


def test_every_container_has_requests_and_limits_and_its_image_is_pinned(all_containers):
    for container in all_containers:
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        assert tag[:1].isdigit(), container["image"]
        for kind in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][kind]), container["name"]


def test_no_container_has_more_rights_than_it_needs(manifests, pod_specs, all_containers):
    for pod in pod_specs(manifests):
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (USER,) * 3
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in all_containers:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in own


def test_every_port_is_probed(all_containers):
    for container in all_containers:
        ports = {port["name"] for port in container.get("ports", [])}
        assert not ports or container.keys() >= set(PROBES), container["name"]
        for probe in (container[name] for name in PROBES if name in container):
            how = probe.get("httpGet") or probe.get("tcpSocket")
            assert how["port"] in ports if how else probe["exec"], container["name"]


def test_every_service_leads_to_ports_of_pods(manifests, pods, containers):
    for service in (one["spec"] for one in manifests if one["kind"] == "Service"):
        wanted = service["selector"].items()
        [pod] = [one["spec"] for one in pods if wanted <= one["metadata"]["labels"].items()]
        ports = [port for one in containers(pod) for port in one.get("ports", [])]
        there = {port["name"]: port["containerPort"] for port in ports}
        assert all(there[one["targetPort"]] == one["port"] for one in service["ports"])


def test_every_mounted_volume_and_configuration_exists(manifests, pod_specs, containers):
    maps = {one["metadata"]["name"] for one in manifests if one["kind"] == "ConfigMap"}
    accounts = {one["metadata"]["name"] for one in manifests if one["kind"] == "ServiceAccount"}
    for pod in pod_specs(manifests):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        used = {mount["name"] for one in containers(pod) for mount in one.get("volumeMounts", [])}
        assert used == set(volumes)
        for volume in volumes.values():
            assert volume.get("configMap", {"name": None})["name"] in maps | {None}
        for container in containers(pod):
            for source in container.get("envFrom", []):
                assert source.get("configMapRef", {"name": None})["name"] in maps | {None}
        assert pod.get("serviceAccountName") in accounts | {None}
    for one in (one["spec"] for one in manifests if one["kind"] == "InferenceService"):
        assert one["predictor"]["serviceAccountName"] in accounts


def test_roles_name_what_they_allow_and_are_bound_to_accounts_that_are_there(manifests):
    kinds = ("Role", "RoleBinding", "ServiceAccount")
    made, bindings, there = ([one for one in manifests if one["kind"] == kind] for kind in kinds)
    for rule in (rule for one in made for rule in one["rules"]):
        for part in ("apiGroups", "resources", "verbs"):
            assert rule[part]
            assert "*" not in rule[part]
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"]
            assert rule["verbs"] == ["get"]
    assert not {"ClusterRole", "ClusterRoleBinding"} & {one["kind"] for one in manifests}
    roles, accounts = ({one["metadata"]["name"] for one in kind} for kind in (made, there))
    assert {one["roleRef"]["name"] for one in bindings} == roles
    for one in bindings:
        for subject in one["subjects"]:
            assert subject["name"] in accounts
            assert subject.get("namespace") == one["metadata"].get("namespace")


def test_credentials_come_from_secrets_only(manifests):
    text = repr(manifests).upper()
    assert "ACCESS_KEY" not in text
    assert "PASSWORD" not in text
    assert "Secret" not in {one["kind"] for one in manifests}


def test_every_pod_has_policies_of_its_own_that_open_no_more_than_ports(folder, manifests, pods):
    for labels in filter(None, [MADE.get(folder), *(one["metadata"]["labels"] for one in pods)]):
        assert all("from" in rule for rule in _rules(manifests, labels, "ingress"))
        to_all = [one["ports"] for one in _rules(manifests, labels, "egress") if "to" not in one]
        assert {port["port"] for ports in to_all for port in ports} <= {53, 443, 6443}


def test_a_second_apply_finds_nothing_to_change(manifests):
    """kubectl compares these lists as they are with what the API server made of them."""
    for spec in (one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"):
        rules = [*spec.get("ingress", []), *spec.get("egress", [])]
        assert all("protocol" in port for rule in rules for port in rule.get("ports", []))
        assert all(spec.get(way, ["no list"]) for way in ("ingress", "egress"))
    for spec in (one["spec"] for one in manifests if one["kind"] == "Deployment"):
        assert "type" in spec.get("strategy", {"type": ""})


def test_the_namespace_that_is_ours_is_closed(render, one_of):
    policy = one_of(render("pipelines/profile"), "NetworkPolicy", "default-deny")
    assert policy["metadata"]["namespace"] == "pawlens"
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_readers_reach_dns_and_the_store_that_is_configured(render, k8s, tmp_path):
    manifests = render("serving/overlays/object-store")
    [data] = [one["data"] for one in manifests if "sync.sh" in one.get("data", {})]
    url = urlsplit(data["RCLONE_CONFIG_MODELS_ENDPOINT"])
    secrets = (k8s / "pipelines" / "secrets" / "kustomization.yaml").read_text()
    assert f"s3-endpoint: {url.hostname.removesuffix('.svc')}:{url.port}\n" in secrets
    names, store = _rules(manifests, READER, "egress")
    assert {port["port"] for port in names["ports"]} == {53}
    assert url.hostname.split(".")[1] in repr(store["to"][0]["namespaceSelector"])
    assert "minio" in store["to"][0]["podSelector"]["matchExpressions"][0]["values"]
    assert url.port in [port["port"] for port in store["ports"]]
    kserve = render("serving/overlays/kserve")
    assert _rules(kserve, READER, "egress") == [names, store]
    assert repr((*manifests, *kserve)).count(repr(READER)[1:-1]) == 3 + 2  # pods and policies
    # And the patch that is a comment is one.
    shutil.copytree(k8s / "serving" / "store", tmp_path / "store")
    file = tmp_path / "store" / "kustomization.yaml"
    head, patch = file.read_text().split("# patches:")
    file.write_text(f"{head}patches:" + patch.replace("\n# ", "\n"))
    assert "ipBlock" in repr(_rules(render(str(file.parent)), READER, "egress")[1])
