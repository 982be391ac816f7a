"""Servers that are changed while they are asked: no call fails."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
import yaml
from callers import SERVERS, Callers
from kubectl import ROOT, Kubectl, KubectlError, wait_until

from serving.client import ImageClient

PODS = "app.kubernetes.io/name=pawlens-serving"
STATUS = ["rollout", "status", "deployment/serving", "--timeout=280s"]


def _versions() -> set[int]:
    """What the servers say that they serve."""
    with ImageClient(SERVERS[1]) as client:
        return {client.metadata().version for _ in range(6)}


@pytest.mark.smoke
def test_a_rolling_update(served: Kubectl, calls: Callers) -> None:
    served("rollout", "restart", "deployment/serving")
    served(*STATUS, seconds=300)


def test_a_pod_that_is_deleted(served: Kubectl, calls: Callers) -> None:
    served("delete", "pod", served.pods(PODS)[0]["metadata"]["name"])
    served(*STATUS, seconds=300)


def test_a_drain_takes_no_more_than_the_budget_allows(served: Kubectl, calls: Callers) -> None:
    drain = ["drain", "pawlens-node", "--delete-emptydir-data", "--pod-selector", PODS]
    try:
        with pytest.raises(KubectlError, match="Cannot evict pod as it would violate"):
            served(*drain, "--timeout=60s")
        ready = [one for one in served.pods(PODS) if one["status"]["phase"] == "Running"]
        assert len(ready) == 1
    finally:
        served("uncordon", "pawlens-node")
    served(*STATUS, seconds=300)


def test_an_update_that_does_not_start_is_undone(served: Kubectl, calls: Callers) -> None:
    served("set", "image", "deployment/serving", "serving=pawlens/absent:1")
    with pytest.raises(KubectlError, match="timed out"):
        served("rollout", "status", "deployment/serving", "--timeout=20s")
    served("rollout", "undo", "deployment/serving")
    served(*STATUS, seconds=300)


def test_a_push_and_the_way_back(served: Kubectl, calls: Callers, push, gray_answer) -> None:
    assert gray_answer() == pytest.approx(200 / 255, abs=1e-3)
    version = push(0.5)
    wait_until(lambda: _versions() == {version}, 120, f"version {version} on all servers")
    assert gray_answer() == pytest.approx(1 - 100 / 255, abs=1e-3)
    back = "pawlens rollback cats_vs_dogs --serving-root /models --target serving:8500"
    served("exec", "data-loader", "--", *back.split())
    wait_until(lambda: min(_versions()) > version, 120, "the version that is a copy of the first")
    assert gray_answer() == pytest.approx(200 / 255, abs=1e-3)


def test_a_stuck_server_is_started_anew(served: Kubectl, other_tests) -> None:
    """Its callers wait until it is killed, and are answered by another if they have the time."""
    uid = served.pods(PODS)[0]["metadata"]["uid"]

    def restarts():
        pods = {one["metadata"]["uid"]: one for one in served.pods(PODS)}
        return pods[uid]["status"]["containerStatuses"][0]["restartCount"]

    picture = other_tests("serving/conftest.py")._gray(200)
    with Callers(picture, SERVERS, timeout_seconds=290) as callers:
        for process in Path("/proc").glob("[1-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if f"pod{uid}" in (process / "cgroup").read_text():
                    os.kill(int(process.name), signal.SIGSTOP)
        wait_until(restarts, 280, "a restart")
        served(*STATUS, seconds=300)
    assert callers.failures == []
    assert restarts() == 1


@pytest.fixture
def gray_answer(other_tests):
    """The probability that is told of a grey picture of 200."""

    def ask() -> float:
        with ImageClient(SERVERS[0]) as client:
            [found] = client.predict([other_tests("serving/conftest.py")._gray(200)])
            return found.probability

    return ask


def test_the_autoscaler_adds_a_pod_under_load(served: Kubectl, calls: Callers, gray_answer) -> None:
    overlay = served("kustomize", ROOT / "k8s" / "serving" / "overlays" / "standalone")
    served.apply(*(one for one in yaml.safe_load_all(overlay) if "Autoscaler" in one["kind"]))

    def more_are_wanted() -> bool:
        for _ in range(200):
            gray_answer()
        return served.get("hpa", "serving")["status"].get("desiredReplicas", 0) > 2

    try:
        wait_until(more_are_wanted, 240, "more than two pods", rest=0)
    finally:
        served("delete", "hpa", "serving")
        served("scale", "deployment/serving", "--replicas=2")
