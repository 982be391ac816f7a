"""Both installations as a whole: the pipelines' part, and the servers that go with it."""

import pytest

from pipelines.kubeflow.settings import DEFAULT_VOLUMES, KubeflowConfig

PAIRS = [
    ("multi-user", "cpu"),
    ("multi-user", "gpu"),
    ("standalone", "standalone"),
    ("standalone", "standalone-gpu"),
    ("dev", "dev"),
]


@pytest.fixture(params=PAIRS, ids="+".join)
def install(request, render):
    pipelines, serving = request.param
    return render(f"pipelines/overlays/{pipelines}"), render(f"serving/overlays/{serving}")


def _claims(manifests):
    found = [one for one in manifests if one["kind"] == "PersistentVolumeClaim"]
    return {one["metadata"]["name"]: one for one in found}


def _mounts(pod):
    """Where the pod's first container sees which claim."""
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    mounts = pod["containers"][0]["volumeMounts"]
    return {claims[one["name"]]: one["mountPath"] for one in mounts if one["name"] in claims}


def test_servers_read_the_claim_that_pushers_write_to(install, pod_specs, one_of):
    pipelines, serving = install
    [pod] = pod_specs(serving)
    assert _mounts(pod) == {"models": KubeflowConfig().serving_root}
    claim = _claims(pipelines)["models"]
    # A claim crosses no namespace.
    deployment = one_of(serving, "Deployment")
    assert claim["metadata"]["namespace"] == deployment["metadata"]["namespace"]


def test_one_object_is_in_one_part_only_and_claims_outlive_servers(install):
    assert not _claims(install[1])
    names = [(one["kind"], one["metadata"]["name"]) for manifests in install for one in manifests]
    assert len(set(names)) == len(names)


def test_claims_are_the_default_ones_and_can_be_mounted_where_their_pods_run(install, one_of):
    pipelines, serving = install
    assert set(_claims(pipelines)) == {one.claim for one in DEFAULT_VOLUMES}
    [mode] = {tuple(one["spec"]["accessModes"]) for one in _claims(pipelines).values()}
    one_node = one_of(serving, "Deployment")["spec"].get("replicas") == 1
    assert mode == (("ReadWriteOnce",) if one_node else ("ReadWriteMany",))


def test_every_pod_sees_a_claim_where_steps_see_it(install, render, pod_specs):
    paths = {one.claim: one.path for one in DEFAULT_VOLUMES}
    pods = pod_specs((*install[0], *render("pipelines/data-loader")))
    seen = [_mounts(pod) for pod in pods]
    assert paths in seen
    for mounts in seen:
        assert mounts.items() <= paths.items()


def test_the_quota_holds_the_servers_at_their_most(render, one_of, pod_specs):
    quota = one_of(render("pipelines/overlays/multi-user"), "ResourceQuota")["spec"]["hard"]
    for overlay in ("cpu", "gpu"):
        serving = render(f"serving/overlays/{overlay}")
        most = one_of(serving, "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
        [pod] = pod_specs(serving)
        requests = pod["containers"][0]["resources"]["requests"]
        assert most * int(requests["cpu"]) <= 0.7 * int(quota["requests.cpu"])
        memory = most * int(requests["memory"].removesuffix("Gi"))
        assert memory <= 0.7 * int(quota["requests.memory"].removesuffix("Gi"))
        gpus = int(requests.get("nvidia.com/gpu", 0))
        # Servers leave one to each of two runs.
        assert most * gpus + 2 <= int(quota["requests.nvidia.com/gpu"])
