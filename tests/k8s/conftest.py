"""The manifests as the cluster gets them: rendered by kubectl."""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"

Manifest = dict[str, Any]


@cache
def _render(folder: str) -> tuple[Manifest, ...]:
    command = ["kubectl", "kustomize", str(K8S / folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of what it will drop
    return tuple(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="session")
def k8s() -> Path:
    """The folder with the manifests."""
    return K8S


@pytest.fixture(scope="session")
def render() -> Callable[[str], tuple[Manifest, ...]]:
    """Renders a kustomization below `k8s/`, or any by its absolute path."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed: the manifests are not rendered")
    return _render


@pytest.fixture(scope="session")
def one_of() -> Callable[..., Manifest]:
    """The one object of a kind, and of a name if more than one is of that kind."""

    def find(manifests: tuple[Manifest, ...], kind: str, name: str | None = None) -> Manifest:
        found = [
            one
            for one in manifests
            if one["kind"] == kind and name in (None, one["metadata"]["name"])
        ]
        assert len(found) == 1, (kind, name, len(found))
        return found[0]

    return find


@pytest.fixture(scope="session")
def pod_specs() -> Callable[[tuple[Manifest, ...]], list[Manifest]]:
    """The pod specs of all Deployments, StatefulSets and Jobs, and of pods by themselves."""

    def find(manifests: tuple[Manifest, ...]) -> list[Manifest]:
        pods = [one["spec"] for one in manifests if one["kind"] == "Pod"]
        made = [one for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
        return pods + [one["spec"]["template"]["spec"] for one in made]

    return find


@pytest.fixture(scope="session")
def containers() -> Callable[[Manifest], list[Manifest]]:
    """All containers of a pod spec."""

    def find(pod: Manifest) -> list[Manifest]:
        return [*pod.get("initContainers", []), *pod["containers"]]

    return find
