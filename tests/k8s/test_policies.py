"""What holds for every rendered overlay, whatever it is for."""

import kubernetes_validate
import pytest

SERVERS = ["cpu", "gpu", "object-store", "dev"]  # with a Deployment of our own
OVERLAYS = [*SERVERS, "kserve"]
KUBERNETES = "1.32"
CUSTOM = {"serving.kserve.io/v1beta1"}  # not in Kubernetes' own schemas
APP = {"app.kubernetes.io/name": "pawlens-serving"}


@pytest.fixture(params=OVERLAYS)
def overlay(request, render):
    return render(f"serving/overlays/{request.param}")


@pytest.fixture(params=SERVERS)
def server(request, render):
    return render(f"serving/overlays/{request.param}")


def _containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def _one(manifests, kind, name="serving"):
    [found] = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def test_every_object_fits_the_schema_of_kubernetes(overlay):
    checked = [one for one in overlay if one["apiVersion"] not in CUSTOM]
    for one in checked:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_everything_is_in_one_namespace(overlay):
    assert {one["metadata"]["namespace"] for one in overlay} == {"pawlens"}


def test_images_are_pinned(server, pod_specs):
    for pod in pod_specs(server):
        for container in _containers(pod):
            _, colon, tag = container["image"].partition(":")
            assert colon, container["image"]
            assert tag[0].isdigit(), container["image"]


def test_every_container_has_requests_and_limits(server, pod_specs):
    for pod in pod_specs(server):
        for container in _containers(pod):
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][kind]), container["name"]


def test_no_container_has_more_rights_than_it_needs(server, pod_specs):
    for pod in pod_specs(server):
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in _containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in own


def test_the_server_only_reads_its_models_and_configuration(server, pod_specs):
    [pod] = pod_specs(server)
    [container] = pod["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {"/models", "/etc/serving", "/tmp"}
    assert mounts["/models"]["readOnly"] is True
    assert mounts["/etc/serving"]["readOnly"] is True


def test_every_mounted_volume_and_configuration_exists(server, pod_specs):
    [pod] = pod_specs(server)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for container in _containers(pod):
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
    claims = {one["metadata"]["name"] for one in server if one["kind"] == "PersistentVolumeClaim"}
    maps = {one["metadata"]["name"] for one in server if one["kind"] == "ConfigMap"}
    for volume in volumes.values():
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in claims
        if "configMap" in volume:
            assert volume["configMap"]["name"] in maps


def test_all_selectors_find_the_pods(server):
    labels = _one(server, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [_one(server, "Deployment")["spec"]["selector"]["matchLabels"]]
    selectors += [one["spec"]["selector"] for one in server if one["kind"] == "Service"]
    selectors += [
        one["spec"]["selector"]["matchLabels"]
        for one in server
        if one["kind"] == "PodDisruptionBudget"
    ]
    selectors += [
        one["spec"]["podSelector"]["matchLabels"]
        for one in server
        if one["kind"] == "NetworkPolicy"
    ]
    assert len(selectors) >= 5
    for selector in selectors:
        assert APP.items() <= selector.items() <= labels.items()


def test_there_is_time_to_stop(server, pod_specs):
    [pod] = pod_specs(server)
    [container] = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    # The embedded server, too, finishes within 30 seconds what it runs.
    assert pod["terminationGracePeriodSeconds"] >= pause + 30


def test_a_gpu_pod_asks_for_a_gpu_where_gpus_are(render, pod_specs):
    [pod] = pod_specs(render("serving/overlays/gpu"))
    [container] = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["resources"]["requests"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-gpu")
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod[
        "tolerations"
    ]
    [cpu] = pod_specs(render("serving/overlays/cpu"))
    assert "nvidia.com/gpu" not in cpu["containers"][0]["resources"]["limits"]
    assert not cpu["containers"][0]["image"].endswith("-gpu")


def test_credentials_come_from_secrets_only(overlay):
    text = repr(overlay).upper()
    assert "ACCESS_KEY" not in text
    assert "PASSWORD" not in text
