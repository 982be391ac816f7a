"""What holds for our own Deployment of TensorFlow Serving, in every overlay that has it."""

import pytest

OVERLAYS = ["cpu", "gpu", "object-store", "standalone", "standalone-gpu", "dev"]
APP = {"app.kubernetes.io/name": "pawlens-serving"}
READER = {"pawlens.dev/models-store": "reader"}


@pytest.fixture(params=OVERLAYS)
def server(request, render):
    return render(f"serving/overlays/{request.param}")


@pytest.fixture
def pod(server, pod_specs):
    [pod] = pod_specs(server)
    return pod


def test_the_server_only_reads_its_models_and_configuration(pod):
    [container] = pod["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == {"/models", "/etc/serving", "/tmp"}
    assert mounts["/models"]["readOnly"] is True
    assert mounts["/etc/serving"]["readOnly"] is True


def test_all_selectors_find_the_pods(server, one_of):
    deployment = one_of(server, "Deployment", "serving")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    keys = {"Deployment": "selector", "Service": "selector"}
    keys |= {"PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}
    selectors = [one["spec"][keys[one["kind"]]] for one in server if one["kind"] in keys]
    assert len(selectors) >= 5
    found = [selector.get("matchLabels", selector).items() for selector in selectors]
    assert all(selector <= labels.items() for selector in found)
    # That of the object store is others', too.
    assert [dict(one) for one in found if not APP.items() <= one] in ([], [READER])


def test_there_is_time_to_stop(pod):
    [container] = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    # The embedded server, too, finishes within 30 seconds what it runs.
    assert pod["terminationGracePeriodSeconds"] >= pause + 30


@pytest.mark.parametrize(("gpu", "cpu"), [("gpu", "cpu"), ("standalone-gpu", "standalone")])
def test_a_gpu_pod_asks_for_a_gpu_where_gpus_are(render, pod_specs, gpu, cpu):
    [pod] = pod_specs(render(f"serving/overlays/{gpu}"))
    [container] = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["resources"]["requests"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-gpu")
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert taint in pod["tolerations"]
    [pod] = pod_specs(render(f"serving/overlays/{cpu}"))
    assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["limits"]
    assert not pod["containers"][0]["image"].endswith("-gpu")


def test_no_sidecar_is_put_into_pods_that_may_call_nobody(server, one_of):
    labels = one_of(server, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels["sidecar.istio.io/inject"] == "false"
    policy = one_of(server, "NetworkPolicy", "serving")["spec"]
    assert "Egress" in policy["policyTypes"]
    assert "egress" not in policy


def test_prometheus_may_read_metrics_and_nothing_else(server, one_of):
    rules = one_of(server, "NetworkPolicy", "serving")["spec"]["ingress"]
    name = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    [rule] = [rule for rule in rules if {"namespaceSelector": name} in rule["from"]]
    ports = [{"port": "rest", "protocol": "TCP"}]
    assert rule == {"from": [{"namespaceSelector": name}], "ports": ports}
