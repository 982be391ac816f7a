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


@pytest.fixture
def launcher(kubectl: Kubectl, artifacts: Path, other_tests):
    """The launcher, with pods for its processes; it lays artifacts into a volume."""
    platform = other_tests("pipelines/kubeflow/test_platform.py")
    config = platform.make(image=IMAGE)

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
            spec = platform.pod(config, name.replace("-", "_"))
            [main] = spec["containers"]
            executors = self.documents[0]["deploymentSpec"]["executors"]
            asked = executors[f"exec-{name}"]["container"]["resources"]
            main["resources"] = {
                kind: {"cpu": asked[f"resourceCpu{word}"], "memory": asked[f"resourceMemory{word}"]}
                for kind, word in (("requests", "Request"), ("limits", "Limit"))
            }
            main["command"], main["args"] = ENTRYPOINT, arguments
            for path in ("minio", "kfp_outputs"):
                (self.pod / path).mkdir(exist_ok=True)
                mount = {"name": "artifacts", "subPath": f"{name}/{path}", "mountPath": f"/{path}"}
                kept = [one for one in main["volumeMounts"] if one["mountPath"] != f"/{path}"]
                main["volumeMounts"] = [*kept, mount]
            for path in (self.pod, *self.pod.rglob("*")):
                path.chmod(0o777)
            claim = {"persistentVolumeClaim": {"claimName": "artifacts"}}
            spec["volumes"].append({"name": "artifacts"} | claim)
            spec |= {"restartPolicy": "Never", "serviceAccountName": "pawlens-pipeline"}
            labels = {"workflows.argoproj.io/workflow": "linear-blobs"}
            about = {"apiVersion": "v1", "kind": "Pod"}
            kubectl.apply(about | {"metadata": {"name": name, "labels": labels}, "spec": spec})

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


def test_everything_in_the_image_can_be_imported(kubectl: Kubectl) -> None:
    run = ["run", "check", f"--image={IMAGE}", "--restart=Never", "--command", "--"]
    kubectl(*run, "python", "/app/check.py")
    kubectl(
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "pod/check",
        "--timeout=280s",
        seconds=290,
    )
