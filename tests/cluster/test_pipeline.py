"""`linear_blobs` as pods, one a step, with what the platform document gives them."""

import json
from pathlib import Path

import pytest
import yaml
from kfp import components, local
from kfp.local import subprocess_task_handler
from kfp_backend import Launcher
from kubectl import ROOT, VOLUMES, Kubectl, provide_volumes, wait_until

CLI = ROOT / "pipelines" / "cli.py"
IMAGE = "pawlens/pipeline:0.1.0"
ENTRYPOINT = ["python", "-m", "pipelines.kubeflow.entrypoint"]


@pytest.fixture(scope="session")
def artifacts(kubectl: Kubectl, installed: Path) -> Path:
    """A volume in the place of the launcher's copies from and to the object store."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "artifacts"}}
    kubectl.apply(claim | {"spec": spec})
    provide_volumes(kubectl)
    return VOLUMES / "kubeflow" / "artifacts"


@pytest.fixture(scope="session")
def step_pod(other_tests):
    """step_pod(documents, name): the pod that the driver makes of a compiled pipeline's step."""
    pod_of = other_tests("pipelines/kubeflow/test_platform.py").pod_of

    def make(documents, name):
        task = documents[0]["root"]["dag"]["tasks"][name]
        executor = documents[0]["components"][task["componentRef"]["name"]]["executorLabel"]
        container = documents[0]["deploymentSpec"]["executors"][executor]["container"]
        platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        spec = pod_of(platform[executor], IMAGE) | {"restartPolicy": "Never"}
        asked = container["resources"]
        bounds = {
            kind: {"cpu": asked[f"resourceCpu{word}"], "memory": asked[f"resourceMemory{word}"]}
            for kind, word in (("requests", "Request"), ("limits", "Limit"))
        }
        if gpu := asked.get("accelerator"):
            bounds["limits"][gpu["resourceType"]] = gpu["resourceCount"]
        spec["containers"][0]["resources"] = bounds
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    return make


@pytest.fixture
def launcher(kubectl: Kubectl, artifacts: Path, step_pod):
    """The launcher, with pods for its processes; it lays artifacts into a volume."""

    class PodLauncher(Launcher):
        pods, root, documents = artifacts, Path("/"), ()

        def execute(self, arguments):
            name = self.pod.name
            self._make(name, arguments)

            def ended():
                phase = kubectl.get("pod", name)["status"]["phase"]
                return phase if phase in ("Succeeded", "Failed") else None

            return wait_until(ended, 600, f"the end of {name}") == "Failed", kubectl("logs", name)

        def _make(self, name, arguments):
            pod = step_pod(self.documents, name)
            [main] = pod["spec"]["containers"]
            main["command"], main["args"] = ENTRYPOINT, arguments
            for path in ("minio", "kfp_outputs"):
                (self.pod / path).mkdir(exist_ok=True)
                mount = {"name": "artifacts", "subPath": f"{name}/{path}", "mountPath": f"/{path}"}
                kept = [one for one in main["volumeMounts"] if one["mountPath"] != f"/{path}"]
                main["volumeMounts"] = [*kept, mount]
            for path in (self.pod, *self.pod.rglob("*")):
                path.chmod(0o777)
            claim = {"persistentVolumeClaim": {"claimName": "artifacts"}}
            claim = {"persistentVolumeClaim": {"claimName": "artifacts"}}
            pod["spec"]["volumes"].append({"name": "artifacts"} | claim)
            pod["spec"] |= {"serviceAccountName": "pawlens-pipeline"}
            pod["metadata"]["labels"] = {"workflows.argoproj.io/workflow": "linear-blobs"}
            kubectl.apply(pod)

    return PodLauncher


@pytest.mark.smoke
def test_each_step_is_a_pod_and_figures_are_those_of_one_machine(
    launcher, kubectl, zygote, tmp_path, monkeypatch
):
    points, compiled = tmp_path / "points", tmp_path / "pipeline.yaml"
    zygote.call(CLI, "data", "synth", points, "--layout", "points", "--count", 600)
    zygote.call(CLI, "run", "linear_blobs", "--data", points, "--workdir", tmp_path / "work")
    here = json.loads((tmp_path / "work" / "summary.json").read_text())
    kubectl("cp", points, "data-loader:/data/linear_blobs")
    where = ["--data", "/data/linear_blobs", "--output", compiled]
    zygote.call(
        CLI, "kubeflow", "compile", "linear_blobs", *where, "--set", f"kubeflow.image={IMAGE}"
    )
    monkeypatch.setattr(launcher, "documents", list(yaml.safe_load_all(compiled.read_text())))
    monkeypatch.setattr(subprocess_task_handler, "SubprocessTaskHandler", launcher)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "bucket"))
    try:
        components.load_component_from_file(str(compiled))()
    except RuntimeError as error:
        raise AssertionError("\n".join(launcher.logs.values())[-6000:]) from error
    [made] = (tmp_path / "bucket").iterdir()
    found = json.loads((made / "evaluator" / "evaluation" / "figures.json").read_text())
    assert found["blessed"] is True
    from pipelines.summary import overall_metrics

    assert overall_metrics(found["figures"]) == pytest.approx(here["metrics"]["test"])
    assert set(launcher.logs) == set(launcher.documents[0]["root"]["dag"]["tasks"])
    [version] = (VOLUMES / "kubeflow" / "models" / "linear_blobs").glob("[1-9]*")
    assert (version / "saved_model.pb").is_file()


@pytest.fixture
def nodes(kubectl: Kubectl):
    """Two more nodes without a kubelet: one with a GPU, tainted as such are, and one without."""
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    room = {"cpu": "64", "memory": "512Gi", "pods": "110"}
    ready = [{"type": "Ready", "status": "True", "reason": "Said", "message": "by a test"}]
    kinds = {"gpu-node": (room | {"nvidia.com/gpu": "1"}, [taint]), "cpu-node": (room, [])}
    for name, (resources, taints) in kinds.items():
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        kubectl.apply(node | {"spec": {"taints": taints}})
        status = {"capacity": resources, "allocatable": resources, "conditions": ready}
        patch = ["patch", "node", name, "--subresource=status", "--patch"]
        kubectl(*patch, json.dumps({"status": status}))
    yield
    kubectl("delete", "node", *kinds)


def test_only_the_trainer_asks_for_a_gpu_and_goes_to_its_node(
    kubectl, nodes, step_pod, zygote, tmp_path
):
    compiled = tmp_path / "pipeline.yaml"
    images = [f"--set=kubeflow.{key}={IMAGE}" for key in ("image", "gpu_image")]
    where = ["--data", "/data", "--output", compiled]
    zygote.call(CLI, "kubeflow", "compile", "cats_vs_dogs", *where, *images)
    documents = list(yaml.safe_load_all(compiled.read_text()))
    # Other names than those of the pods that ran.
    pods = {f"placed-{step}": step for step in documents[0]["root"]["dag"]["tasks"]}
    try:
        for name, step in pods.items():
            pod = step_pod(documents, step) | {"metadata": {"name": name}}
            pod["spec"]["volumes"] = pod["spec"]["containers"][0]["volumeMounts"] = []
            kubectl.apply(pod)

        def places():
            found = {name: kubectl.get("pod", name)["spec"].get("nodeName") for name in pods}
            return found if all(found.values()) else None

        placed = wait_until(places, 100, "a node for each step")
    finally:
        kubectl("delete", "pod", *pods, "--grace-period=0", "--force", "--ignore-not-found")
    assert [name for name, node in placed.items() if node == "gpu-node"] == ["placed-trainer"]
