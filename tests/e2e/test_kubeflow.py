"""A compiled pipeline run step by step, each in a process of its own, as pods run on a cluster.

KFP's own local engine orders the steps and hands artifacts on. Between it and the containers'
command stands what the cluster has there: a launcher that brings declared inputs from the object
store to the pod's disk, gives artifacts minio:// URIs and the backend's shape, and uploads outputs.
"""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from google.protobuf import json_format
from kfp import components, local
from kfp.local import status, subprocess_task_handler
from kfp.pipeline_spec import pipeline_spec_pb2

from components.artifacts import FIGURES, INGEST_SUMMARY
from pipelines.summary import overall_metrics
from serving.names import DIGEST_FILE
from serving.stores import open_store

ROOT = Path(__file__).parents[2]
ENTRYPOINT = ROOT / "pipelines" / "kubeflow" / "entrypoint.py"
STORE = "minio://mlpipeline/v2/artifacts"
INVOCATION = "--json_serialized_invocation_args"


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.exists():  # an artifact may be metadata alone
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


class Launcher(subprocess_task_handler.SubprocessTaskHandler):
    """One pod. The class holds what a test sets: `zygote`, `pods` (a folder) and `logs`.

    It does not start for a task of `cached` that was told the same before: its output is in `made`.
    """

    zygote = None
    pods = Path()
    logs: dict[str, str] = {}
    cached: set[str] = set()
    made: dict[str, str] = {}

    def validate_image(self, image):
        assert image == "{{$.inputs.parameters['image']}}"

    def validate_not_container_component(self, full_command):
        assert full_command[:3] == ["python", "-m", "pipelines.kubeflow.entrypoint"]

    def run(self):
        arguments = self.full_command[3:]
        place = arguments.index(INVOCATION) + 1
        told = json.loads(arguments[place])
        told["outputs"].setdefault("artifacts", {})
        output = Path(told["outputs"]["outputFile"])
        task, key = output.parent.name, json.dumps([*arguments[:place], told["inputs"]])
        if task in self.cached and key in self.made:
            output.parent.mkdir(parents=True)
            output.write_text(self.made[key])
            return status.Status.SUCCESS
        self.pod = self.pods / task
        self.pod.mkdir(parents=True)
        arguments[place] = json.dumps(self._in_backends_shape(told))
        ended, self.logs[self.pod.name] = self.execute(arguments)
        if ended:
            return status.Status.FAILURE
        self._upload(told)
        self.made[key] = output.read_text()
        return status.Status.SUCCESS

    def execute(self, arguments):
        """Runs the entrypoint where the pod's folder is `root`; its status and its output."""
        ended = self.zygote.call(
            ENTRYPOINT, *arguments, status=None, PAWLENS_ARTIFACT_PREFIX=str(self.root)
        )
        return ended.status, ended.output

    @property
    def root(self):
        """What the pod takes its folder for."""
        return self.pod

    def _here(self, uri):
        """Where the launcher lays an artifact in this pod."""
        return self.pod / "minio" / uri.removeprefix("minio://")

    def _in_backends_shape(self, told):
        told = json.loads(json.dumps(told).replace(self.pipeline_root, STORE))
        for number, given in enumerate(told["inputs"].get("artifacts", {}).values()):
            [artifact] = given["artifacts"]
            artifact["name"] = f"projects/p/artifacts/{number + 7}"
            artifact["type"] = {"instanceSchema": ""}
            artifact["metadata"] = {
                key: {{list: "list", dict: "struct"}[type(value)]: value}
                if isinstance(value, list | dict)
                else value
                for key, value in artifact.get("metadata", {}).items()
            } | {"display_name": "shown", "store_session_info": "{}"}
            source = Path(self.pipeline_root) / Path(artifact["uri"]).relative_to(STORE)
            _copy(source, self._here(artifact["uri"]))
        for made in told["outputs"]["artifacts"].values():
            made["artifacts"][0].pop("metadata", None)
            self._here(made["artifacts"][0]["uri"]).parent.mkdir(parents=True, exist_ok=True)
        told["outputs"]["artifacts"]["executor-logs"] = {
            "artifacts": [
                {"type": {"schemaTitle": "system.Artifact"}, "uri": f"{STORE}/executor-logs"}
            ]
        }
        told["outputs"]["outputFile"] = str(self.root / "kfp_outputs" / "output_metadata.json")
        return told

    def _upload(self, told):
        path = self.pod / "kfp_outputs" / "output_metadata.json"
        written = path.read_text()
        made = json_format.Parse(written, pipeline_spec_pb2.ExecutorOutput()).artifacts
        assert set(made) == set(told["outputs"]["artifacts"])
        assert str(self.pod) not in written
        for given in made.values():
            [artifact] = given.artifacts
            assert artifact.uri.startswith(f"{STORE}/")
            for value in artifact.metadata.values():
                assert value is not None
            target = Path(self.pipeline_root) / Path(artifact.uri).relative_to(STORE)
            _copy(self._here(artifact.uri), target)
        output = Path(told["outputs"]["outputFile"])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(written.replace(STORE, self.pipeline_root))
        shutil.rmtree(self.pod)  # nothing but what was uploaded outlives a pod


@pytest.fixture(scope="module")
def cats(zygote, pawlens, pictures, tiny, tmp_path_factory):
    """Compiles by the command and runs the file twice; what the first run left."""
    folder = tmp_path_factory.mktemp("cats")
    bucket, models, file = folder / "bucket", folder / "models", folder / "pipeline.yaml"
    claims = [{"claim": "data", "path": str(pictures)}, {"claim": "rest", "path": str(folder)}]
    pairs = tiny | {
        # The number of epochs comes from the run's parameters: the file says another one.
        "trainer.epochs": "7",
        "kubeflow.image": "registry.example.com/pawlens/pipeline:1.2.3",
        "kubeflow.serving_root": str(models),
        "kubeflow.state": str(folder / "state"),
        "kubeflow.steps": "{}",
        "kubeflow.volumes": json.dumps(claims),
    }
    words = [word for item in pairs.items() for word in ("--set", "=".join(item))]
    places = ["--data", pictures, "--output", file]
    pawlens.call("kubeflow", "compile", "cats_vs_dogs", *places, *words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess_task_handler, "SubprocessTaskHandler", Launcher)
        patch.setattr(Launcher, "zygote", zygote)
        patch.setattr(Launcher, "pods", folder / "pods")
        spec = next(yaml.safe_load_all(file.read_text()))
        tasks = spec["root"]["dag"]["tasks"]
        patch.setattr(Launcher, "cached", {one for one in tasks if tasks[one]["cachingOptions"]})
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(bucket))
        for logs in (runs := ({}, {})):
            patch.setattr(Launcher, "logs", logs)
            try:
                components.load_component_from_file(str(file))(epochs=int(tiny["trainer.epochs"]))
            except RuntimeError as error:
                raise AssertionError("\n".join(logs.values())[-6000:]) from error
    artifacts, logs = min(bucket.iterdir()), runs[0]
    return SimpleNamespace(
        artifacts=artifacts, models=models, logs=logs, spec=spec, again=set(runs[1])
    )


@pytest.mark.slow
def test_it_comes_out_as_on_one_machine(cats, finished, tiny):
    def read(step, artifact, name):
        return json.loads((cats.artifacts / step / artifact / name).read_text())

    summary = finished[1]
    figures = read("evaluator", "evaluation", FIGURES)
    assert figures["blessed"] == summary["blessed"] is True
    assert overall_metrics(figures["figures"]) == pytest.approx(summary["metrics"]["test"])
    assert read("example-gen", "quarantine", INGEST_SUMMARY) == summary["data"]
    history = read("trainer", "model_run", "history.json")
    assert len(history["epochs"]) == int(tiny["trainer.epochs"])
    [model] = cats.models.iterdir()
    assert model.name == summary["pushed"]["name"]
    store = open_store(str(model))
    [version] = store.versions()
    assert Path(store.path(version), "assets.extra", DIGEST_FILE).is_file()
    assert set(cats.logs) == set(cats.spec["root"]["dag"]["tasks"])
    # On the same data nothing is trained again, nor pushed.
    assert cats.again == {"example-gen-fingerprint", "baseline-fingerprint", "pusher"}


def test_what_the_ui_shows_is_there_and_logs_say_what_a_pod_does(cats):
    page = cats.artifacts / "interpreter" / "page" / "index.html"
    assert page.read_text().startswith("<!doctype html>")
    log = cats.logs["pusher"]
    assert "Traceback" not in log
    assert f"{STORE}/" in log
