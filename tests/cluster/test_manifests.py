"""Every kustomization, applied to a real API server."""

import json

import pytest
from kubectl import ROOT, Kubectl, KubectlError, wait_until

K8S = ROOT / "k8s"
# What others are made of, and what needs files that are never committed.
PARTS = {"base", "secrets", "store", "profile"}
FOLDERS = sorted(
    path.parent.relative_to(K8S).as_posix()
    for path in K8S.rglob("kustomization.yaml")
    if path.parent.name not in PARTS
)


@pytest.fixture(scope="module", autouse=True)
def definitions(kubectl: Kubectl) -> None:
    """Namespaces, the profile's among them, and custom resources."""
    kubectl = Kubectl()
    kubectl("apply", "--server-side", "-f", "/run/pawlens/bin/crds")
    kubectl("apply", "-k", K8S / "pipelines" / "profile")
    monitoring = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}
    kubectl.apply(monitoring)


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_taken_and_a_second_time_nothing_changes(folder: str) -> None:
    kubectl = Kubectl(
        "" if "overlays" in folder or folder in ("flink", "monitoring") else "pawlens"
    )
    told = kubectl("apply", "-k", K8S / folder).splitlines()
    assert told
    try:
        again = kubectl("apply", "-k", K8S / folder).splitlines()
        changed = [line for line in again if not line.endswith(" unchanged")]
        # kubectl sends a budget's selector each time, whatever is there.
        assert [line for line in changed if not line.startswith("poddisruptionbudget")] == []
        assert len(again) == len(told)
    finally:
        kubectl("delete", "-k", K8S / folder, "--timeout=100s")


def test_what_is_not_allowed_in_the_profile_is_refused() -> None:
    kubectl = Kubectl("pawlens")
    container = {"name": "one", "image": "pawlens/pipeline:0.1.0"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
    bad = [
        {"hostNetwork": True, "containers": [container]},
        {"containers": [container | {"securityContext": {"privileged": True}}]},
        {"containers": [container], "volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    ]
    for spec in bad:
        with pytest.raises(KubectlError, match='violates PodSecurity "baseline'):
            kubectl.apply(pod | {"spec": spec})


ALLOWED = [
    ("pawlens-pipeline", "get configmaps/kfp-launcher", True),
    ("pawlens-pipeline", "get configmaps/other", False),
    ("pawlens-pipeline", "get secrets/mlpipeline-minio-artifact", True),
    ("pawlens-pipeline", "list secrets", False),
    ("pawlens-pipeline", "create workflowtaskresults.argoproj.io", True),
    ("pawlens-pipeline", "create pods", False),
    ("pawlens-pipeline", "update runs.pipelines.kubeflow.org", True),
    ("pawlens-pipeline", "create artifacts.pipelines.kubeflow.org", True),
    ("pawlens-pipeline", "create jobs.pipelines.kubeflow.org", False),
    ("pawlens-scheduler", "create jobs.pipelines.kubeflow.org", True),
    ("pawlens-scheduler", "use serviceaccounts/pawlens-pipeline", True),
    ("pawlens-scheduler", "use serviceaccounts/default", False),
    ("pawlens-scheduler", "get pods", False),
    ("serving", "get pods", False),
]


def _may(account: str, question: str) -> bool:
    """As `kubectl auth can-i` tells of resources that it knows; the API server knows any."""
    verb, what = question.split()
    kind, _, name = what.partition("/")
    resource, _, group = kind.partition(".")
    asked = {"verb": verb, "resource": resource, "group": group, "name": name}
    spec = {"user": f"system:serviceaccount:pawlens:{account}"}
    spec |= {"resourceAttributes": asked | {"namespace": "pawlens"}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return json.loads(Kubectl()("create", "-f", "-", "-o", "json", given=review))["status"][
        "allowed"
    ]


def test_accounts_may_do_what_the_docs_say_and_no_more() -> None:
    kubectl = Kubectl("pawlens")
    kubectl("apply", "-k", K8S / "pipelines" / "overlays" / "multi-user")
    try:
        for account, question, answer in ALLOWED:
            assert _may(account, question) is answer, (account, question)
    finally:
        kubectl("delete", "-k", K8S / "pipelines" / "overlays" / "multi-user", "--wait=false")
        wait_until(lambda: not kubectl.get("pods")["items"], 60, "no pod in the profile")
