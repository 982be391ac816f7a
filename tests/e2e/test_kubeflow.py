"""Compiled pipelines run step by step, each in a process of its own, as pods run on a cluster.

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


class Launcher(subprocess_task_handler.SubprocessTaskHandler):
    """One pod. The class holds what a test sets: `zygote`, `pods` (a folder) and `logs`."""

    zygote = None
    pods = Path()
    logs: dict[str, str] = {}

    def validate_image(self, image):
        assert image == "{{$.inputs.parameters['image']}}"

    def validate_not_container_component(self, full_command):
        assert full_command[:3] == ["python", "-m", "pipelines.kubeflow.entrypoint"]

    def run(self):
        arguments = self.full_command[3:]
        place = arguments.index(INVOCATION) + 1
        told = json.loads(arguments[place])
        self.pod = self.pods / Path(told["outputs"]["outputFile"]).parent.name
        self.pod.mkdir(parents=True)
        arguments[place] = json.dumps(self._in_backends_shape(told))
        ended = self.zygote.call(ENTRYPOINT, *arguments, PAWLENS_ARTIFACT_PREFIX=str(self.pod))
        self.logs[self.pod.name] = ended.output
        if ended.status:
            return status.Status.FAILURE
        self._upload(told)
        return status.Status.SUCCESS

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
            target = self._here(artifact["uri"])
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():  # an artifact may be metadata alone
                (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        for made in told["outputs"]["artifacts"].values():
            made["artifacts"][0].pop("metadata", None)
            self._here(made["artifacts"][0]["uri"]).parent.mkdir(parents=True, exist_ok=True)
        told["outputs"]["artifacts"]["executor-logs"] = {
            "artifacts": [
                {"type": {"schemaTitle": "system.Artifact"}, "uri": f"{STORE}/executor-logs"}
            ]
        }
        told["outputs"]["outputFile"] = str(self.pod / "kfp_outputs" / "output_metadata.json")
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
            source = self._here(artifact.uri)
            if source.exists():
                target = Path(self.pipeline_root) / Path(artifact.uri).relative_to(STORE)
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        output = Path(told["outputs"]["outputFile"])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(written.replace(STORE, self.pipeline_root))
        shutil.rmtree(self.pod)  # nothing but what was uploaded outlives a pod


@pytest.fixture(scope="module")
def cluster(zygote, pawlens, tmp_path_factory):
    """Compiles by the command and runs the file; returns what the run left."""
    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess_task_handler, "SubprocessTaskHandler", Launcher)

    def run(name, config, data, sets=(), **parameters):
        folder = tmp_path_factory.mktemp(name)
        bucket = folder / "bucket"
        models = folder / "models"
        pairs = {
            "kubeflow.image": "registry.example.com/pawlens/pipeline:1.2.3",
            "kubeflow.serving_root": str(models),
            "kubeflow.state": str(folder / "state"),
            "kubeflow.steps": "{}",
            "kubeflow.volumes": json.dumps(
                [{"claim": "data", "path": str(data)}, {"claim": "rest", "path": str(folder)}]
            ),
        } | dict(sets)
        words = [word for item in pairs.items() for word in ("--set", "=".join(item))]
        file = folder / "pipeline.yaml"
        ended = pawlens.call(
            "kubeflow", "compile", config, "--data", data, "--output", file, *words
        )
        assert ended.status == 0, ended.output
        patch.setattr(Launcher, "zygote", zygote)
        patch.setattr(Launcher, "pods", folder / "pods")
        patch.setattr(Launcher, "logs", {})
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(bucket))
        try:
            components.load_component_from_file(str(file))(**parameters)
        except RuntimeError as error:
            raise AssertionError("\n".join(Launcher.logs.values())[-6000:]) from error
        [run_folder] = bucket.iterdir()
        spec = next(yaml.safe_load_all(file.read_text()))
        return SimpleNamespace(
            artifacts=run_folder, models=models, logs=dict(Launcher.logs), spec=spec
        )

    yield run
    patch.undo()


@pytest.fixture(scope="module")
def blobs(cluster, points):
    return cluster("blobs", "linear_blobs", points)


def _assert_same_result(run, summary):
    figures = json.loads((run.artifacts / "evaluator" / "evaluation" / FIGURES).read_text())
    assert figures["blessed"] == summary["blessed"] is True
    assert overall_metrics(figures["figures"]) == pytest.approx(summary["metrics"]["test"])
    counted = json.loads(
        (run.artifacts / "example-gen" / "quarantine" / INGEST_SUMMARY).read_text()
    )
    assert counted == summary["data"]
    store = open_store(str(run.models / summary["pushed"]["name"]))
    assert len(store.versions()) == 1
    assert Path(store.path(store.versions()[0]), "assets.extra", DIGEST_FILE).is_file()
    assert set(run.logs) == set(run.spec["root"]["dag"]["tasks"])


@pytest.mark.slow
def test_linear_blobs_comes_out_as_on_one_machine(blobs, blobs_run):
    _assert_same_result(blobs, blobs_run[1])


def test_what_the_ui_shows_is_there(blobs):
    page = blobs.artifacts / "interpreter" / "page" / "index.html"
    assert page.read_text().startswith("<!doctype html>")


def test_logs_of_a_pod_say_what_it_does(blobs):
    log = blobs.logs["pusher"]
    assert "Traceback" not in log
    assert f"{STORE}/" in log


@pytest.mark.slow
def test_cats_vs_dogs_comes_out_as_on_one_machine(cluster, finished, pictures, run_arguments):
    words = [str(word) for word in run_arguments(pictures, "unused")]
    sets = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "--set")
    # The number of epochs comes from the run's parameters: the file says another one.
    epochs = int(sets["trainer.epochs"])
    run = cluster("cats", "cats_vs_dogs", pictures, sets | {"trainer.epochs": "7"}, epochs=epochs)
    _assert_same_result(run, finished[1])
    history = json.loads((run.artifacts / "trainer" / "model_run" / "history.json").read_text())
    assert len(history["epochs"]) == epochs
    assert [path.name for path in run.models.iterdir()] == ["cats_vs_dogs"]
