"""What tests in the cluster share: the installation of the docs, and servers with callers."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from callers import SERVERS, Callers
from kubectl import ROOT, VOLUMES, Kubectl, provide_volumes, wait_until


@pytest.fixture(scope="session")
def other_tests() -> Callable[[str], ModuleType]:
    """A module of the other tests, by its path below tests/."""

    def load(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "tests" / path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """kubectl in the namespace of a standalone installation of Kubeflow Pipelines."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}}
    Kubectl().apply(namespace)
    return Kubectl("kubeflow")


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl) -> Path:
    """The overlay `dev`, with prepared volumes and the data-loader; where the volumes are."""
    kubectl("apply", "-k", ROOT / "k8s" / "pipelines" / "overlays" / "dev")
    provide_volumes(kubectl)
    kubectl("wait", "--for=condition=complete", "job/prepare-volumes", "--timeout=110s")
    kubectl("apply", "-k", ROOT / "k8s" / "pipelines" / "data-loader")
    kubectl("wait", "--for=condition=ready", "pod/data-loader", "--timeout=110s")
    return VOLUMES / "kubeflow"


@pytest.fixture(scope="session")
def push(other_tests, installed: Path, tmp_path_factory) -> Callable[..., int]:
    """push(gain, model): pushes a small model, whose answers depend on its gain; its version."""
    from components.pusher.push import push_model

    build = other_tests("serving/conftest.py")._build

    def make(gain: float, model: str = "cats_vs_dogs") -> int:
        folder = tmp_path_factory.mktemp("model") / "saved"
        build(folder, gain)
        base = installed / "models" / model
        pushed = push_model(folder, base)
        for path in (base, *base.rglob("*")):
            os.chown(path, 65532, 65532)  # as if a pod had pushed it
        return pushed.version

    return make


@pytest.fixture(scope="session")
def served(kubectl: Kubectl, push) -> Kubectl:
    """Two servers of the overlay `dev`."""
    for model in ("cats_vs_dogs", "pets_segmentation"):
        push(1.0, model)
    kubectl("apply", "-k", ROOT / "k8s" / "serving" / "overlays" / "dev")
    kubectl("scale", "deployment/serving", "--replicas=2")
    kubectl("rollout", "status", "deployment/serving", "--timeout=290s", seconds=300)
    return kubectl


@pytest.fixture
def calls(served, other_tests) -> Iterator[Callers]:
    """Callers at work: the Service's address, and all pods by name; no call may fail."""
    callers = Callers(other_tests("serving/conftest.py")._gray(200), SERVERS)
    with callers:
        yield callers
    assert callers.failures == []
    print(f"answered: {callers.answers}")
    assert min(callers.answers.values()) > 30
    wait_until(
        lambda: len(served.pods("app.kubernetes.io/name=pawlens-serving")) == 2, 60, "2 pods"
    )
