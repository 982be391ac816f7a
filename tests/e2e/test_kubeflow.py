"""A compiled pipeline run step by step, each in a process of its own, as pods run on a cluster.

KFP's own local engine orders the steps and hands artifacts on. Between it and the containers'
command stands what the cluster has there: the launcher of a generation of Kubeflow Pipelines.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kfp import components, local
from kfp.local import subprocess_task_handler
from kfp_backend import Backend, Launcher

from components.artifacts import FIGURES, INGEST_SUMMARY
from pipelines.summary import overall_metrics
from serving.names import DIGEST_FILE
from serving.stores import open_store


@pytest.fixture(scope="module")
def run(zygote, pawlens, tmp_path_factory):
    """run(generation, name, data, sets, again, **parameters): compiles and runs; what that left.

    If it is to run `again`, tasks that were told the same come from the cache then.
    """

    def run(generation, name, data, sets, again=False, **parameters):
        folder = tmp_path_factory.mktemp(name)
        bucket, models, file = folder / "bucket", folder / "models", folder / "pipeline.yaml"
        claims = [{"claim": "data", "path": str(data)}, {"claim": "rest", "path": str(folder)}]
        pairs = sets | {
            "kubeflow.image": "registry.example.com/pawlens/pipeline:1.2.3",
            "kubeflow.serving_root": str(models),
            "kubeflow.state": str(folder / "state"),
            "kubeflow.steps": "{}",
            "kubeflow.volumes": json.dumps(claims),
        }
        words = [word for item in pairs.items() for word in ("--set", "=".join(item))]
        pawlens.call("kubeflow", "compile", name, "--data", data, "--output", file, *words)
        tasks = next(yaml.safe_load_all(file.read_text()))["root"]["dag"]["tasks"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess_task_handler, "SubprocessTaskHandler", Launcher)
            patch.setattr(Launcher, "zygote", zygote)
            patch.setattr(Launcher, "pods", folder / "pods")
            patch.setattr(
                Launcher, "cached", {one for one in tasks if tasks[one]["cachingOptions"]}
            )
            patch.setattr(Launcher, "backend", Backend(folder, generation=generation))
            local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(bucket))
            runs = [{}, {}] if again else [{}]
            for logs in runs:
                patch.setattr(Launcher, "logs", logs)
                try:
                    components.load_component_from_file(str(file))(**parameters)
                except RuntimeError as error:
                    raise AssertionError("\n".join(logs.values())[-6000:]) from error
        assert set(runs[0]) == set(tasks)
        artifacts = min(bucket.iterdir())
        return SimpleNamespace(artifacts=artifacts, models=models, logs=runs[0], again=runs[-1])

    return run


@pytest.fixture(scope="module")
def cats(run, pictures, tiny):
    # The number of epochs comes from the run's parameters: the file says another one.
    epochs = int(tiny["trainer.epochs"])
    return run("later", "cats_vs_dogs", pictures, tiny | {"trainer.epochs": "7"}, epochs=epochs)


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


def test_what_the_ui_shows_is_there_and_logs_say_what_a_pod_does(cats):
    page = cats.artifacts / "interpreter" / "page" / "index.html"
    assert page.read_text().startswith("<!doctype html>")
    log = cats.logs["pusher"]
    assert "Traceback" not in log
    assert Launcher.backend.store in log


@pytest.mark.slow
def test_an_older_backend_where_nothing_is_trained_again_on_the_same_data(run, points):
    made = run("2.5", "linear_blobs", points, {}, again=True)
    figures = json.loads((made.artifacts / "evaluator" / "evaluation" / FIGURES).read_text())
    assert figures["blessed"] is True
    [model] = made.models.iterdir()
    assert len(open_store(str(model)).versions()) == 1
    assert set(made.again) == {"example-gen-fingerprint", "baseline-fingerprint", "pusher"}
