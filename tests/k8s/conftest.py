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
    """Renders a kustomization below `k8s/`."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed: the manifests are not rendered")
    return _render


@pytest.fixture(scope="session")
def pod_specs() -> Callable[[tuple[Manifest, ...]], list[Manifest]]:
    """The pod specs of all Deployments."""

    def find(manifests: tuple[Manifest, ...]) -> list[Manifest]:
        return [one["spec"]["template"]["spec"] for one in manifests if one["kind"] == "Deployment"]

    return find
