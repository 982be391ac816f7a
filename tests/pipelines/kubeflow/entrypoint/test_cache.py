"""What runs again on a cluster. Of the pods those run that ask drivers; others make what is new.

The cache's key is that of kubeflow/pipelines (backend/src/v2/cacheutils/cache.go): parameters, ids
of the input artifacts, declared outputs, image, command and claims.
"""

import itertools
import json
import shutil
from graphlib import TopologicalSorter

import pytest

from pipelines.config import load_config
from pipelines.kubeflow.compiler import compile_pipeline
from pipelines.kubeflow.entrypoint import main
from pipelines.kubeflow.locations import local_path

ALWAYS = {"example-gen-fingerprint", "baseline-fingerprint", "pusher"}
FROM_EVALUATOR = {"evaluator", "interpreter"}
FROM_TRAINER = {"trainer", "baseline", "infra-validator"} | FROM_EVALUATOR


class Cluster:
    """Runs compiled pipelines that push to a folder."""

    def __init__(self, backend, served):
        self.backend, self.served, self.runs, self.cache = backend, served, itertools.count(), {}

    def run(self, compiled):
        """The tasks whose pods started."""
        tasks, number = compiled.spec["root"]["dag"]["tasks"], next(self.runs)
        platform = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        waits_for = {name: task.get("dependentTasks", ()) for name, task in tasks.items()}
        made, ran = {}, set()
        for name in TopologicalSorter(waits_for).static_order():
            given, component = tasks[name]["inputs"], compiled.spec["components"][f"comp-{name}"]
            label, outputs = component["executorLabel"], component["outputDefinitions"]
            container = compiled.spec["deploymentSpec"]["executors"][label]["container"]
            parameters, inputs = {}, {}
            for key, told in given["parameters"].items():
                if run_parameter := told.get("componentInputParameter"):
                    parameters[key] = compiled.parameters[run_parameter]["defaultValue"]
                elif task := told.get("taskOutputParameter"):
                    parameters[key] = made[task["producerTask"]][task["outputParameterKey"]]
                else:
                    parameters[key] = told["runtimeValue"]["constant"]
            for key, told in given.get("artifacts", {}).items():
                task = told["taskOutputArtifact"]
                inputs[key] = made[task["producerTask"]][task["outputArtifactKey"]]
            claims = platform[label].get("pvcMount")
            command = container["command"] + container["args"]
            key = json.dumps([parameters, inputs, outputs, command, claims], sort_keys=True)
            if not tasks[name]["cachingOptions"] or key not in self.cache:
                ran.add(name)
                pod = f"{name}-{number}"
                self.cache[key] = self._execute(pod, outputs, container["args"], parameters, inputs)
            made[name] = self.cache[key]
        return ran

    def _execute(self, pod, outputs, args, parameters, inputs):
        if "artifacts" not in outputs:
            told = {"parameters": parameters, "told": outputs["parameters"]}
            request = self.backend.request(pod, inputs=inputs, outputs={}, **told)
            assert main([text.replace("{{$}}", json.dumps(request)) for text in args]) == 0
            return json.loads(self.backend.output_file(pod).read_text())["parameterValues"]
        for key in outputs["artifacts"]:
            folder = self.backend.path(pod, key) / "Format-Serving"
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").write_text(pod)
        if "pushed_model" in outputs["artifacts"]:
            model = local_path(inputs["model"]["uri"])
            version = model.partition("trainer-")[2].partition("/")[0]
            shutil.copytree(
                f"{model}/Format-Serving", self.served / f"1{version}", dirs_exist_ok=True
            )
        return {key: self.backend.input(pod, key) for key in outputs["artifacts"]}


@pytest.fixture
def run(backend, tmp_path):
    """run(*settings): compiles and runs with them."""
    cluster = Cluster(backend, tmp_path / "models" / "linear_blobs")
    places = [f"kubeflow.volumes=[{{claim: all, path: {tmp_path}}}]", f"data.path={tmp_path}/data"]
    places += [f"kubeflow.serving_root={tmp_path}/models", f"kubeflow.state={tmp_path}/state"]
    places += ["kubeflow.image=pawlens/pipeline:1"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").touch()
    return lambda *sets: cluster.run(
        compile_pipeline(load_config("linear_blobs", [*places, *sets]))
    )


def test_unchanged_data_is_neither_ingested_nor_learned_again(run, tmp_path):
    everything = run()
    assert len(everything) == 13
    assert run() == ALWAYS
    (tmp_path / "data" / "b.csv").touch()
    assert run() == everything
    assert run() == ALWAYS
    (tmp_path / "data" / "a.csv").write_text("x,y,label\n")
    assert run() == everything
    assert run("kubeflow.image=pawlens/pipeline:2") == everything


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("interpreter.images=3", {"interpreter"}),
        ("evaluator.min_slice_size=3", FROM_EVALUATOR),
        ("infra_validator.images=3", {"infra-validator"}),
        ("trainer.learning_rate=0.2", FROM_TRAINER),
        ("pusher.keep_versions=3", set()),
    ],
)
def test_a_setting_counts_from_the_step_that_reads_it(run, setting, again):
    run()
    assert run(setting) == ALWAYS | again
    assert run(setting) == ALWAYS


def test_another_served_model_is_compared_with_again(run, tmp_path):
    run()
    folder = tmp_path / "models" / "linear_blobs" / "99"
    folder.mkdir()
    (folder / "saved_model.pb").write_text("pushed by others")
    assert run() == ALWAYS | {"baseline"} | FROM_EVALUATOR
