"""NetworkPolicies, enforced: who reaches a server, and whom it reaches."""

import pytest
from kubectl import Kubectl, KubectlError

CALL = "import socket; socket.create_connection(({!r}, {}), timeout=5)"
SERVER = "serving.kubeflow.svc.cluster.local"


def _call(kubectl: Kubectl, pod: str, host: str, port: int) -> bool:
    """Whether a pod gets a connection."""
    try:
        kubectl("exec", pod, "--", "python", "-c", CALL.format(host, port))
        return True
    except KubectlError as error:
        assert "timed out" in str(error) or "TimeoutError" in str(error), error
        return False


@pytest.fixture(scope="module")
def stranger(served: Kubectl) -> Kubectl:
    """A pod of that name in a namespace of its own."""
    name = {"metadata": {"name": "stranger"}, "apiVersion": "v1"}
    kubectl = Kubectl("stranger")
    kubectl.apply(name | {"kind": "Namespace"})
    kubectl(
        "run", "stranger", "--image=pawlens/pipeline:0.1.0", "--command", "--", "sleep", "infinity"
    )
    kubectl("wait", "--for=condition=ready", "pod/stranger", "--timeout=100s")
    return kubectl


def test_clients_are_those_beside_it_and_those_with_the_label(served: Kubectl, stranger: Kubectl):
    assert _call(served, "data-loader", SERVER, 8500)
    assert not _call(stranger, "stranger", SERVER, 8500)
    label = "pawlens.dev/serving-client"
    stranger("label", "namespace", "stranger", f"{label}=true")
    assert _call(stranger, "stranger", SERVER, 8500)
    stranger("label", "namespace", "stranger", f"{label}-")
    assert not _call(stranger, "stranger", SERVER, 8500)


def test_a_server_calls_nobody_and_the_loader_its_own_and_https(served: Kubectl, stranger: Kubectl):
    [server, *_] = served.pods("app.kubernetes.io/name=pawlens-serving")
    other = stranger.get("pod", "stranger")["status"]["podIP"]
    # The API server is on the node itself, to which the engine lets every pod.
    assert not _call(served, server["metadata"]["name"], "10.96.0.10", 53)
    assert _call(served, "data-loader", "kube-dns.kube-system.svc.cluster.local", 53)
    assert not _call(served, "data-loader", other, 8080)
