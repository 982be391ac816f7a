"""What runs again on a cluster; only drivers really run, other pods make something new.

The cache's key is that of kubeflow/pipelines (backend/src/v2/cacheutils/cache.go): parameters, ids
of the input artifacts, declared outputs, image (a parameter here) and command.
"""

import itertools
import json
from graphlib import TopologicalSorter

import pytest

from pipelines.config import load_config
from pipelines.kubeflow.compiler import compile_pipeline
from pipelines.kubeflow.entrypoint import main

ALWAYS = {"example-gen-fingerprint", "baseline-fingerprint", "pusher"}
FROM_EVALUATOR = {"evaluator", "interpreter"}


@pytest.fixture
def run(backend, tmp_path):
    """run(*settings): compiles with them and runs; the tasks whose pods started."""
    places = [f"kubeflow.volumes=[{{claim: all, path: {tmp_path}}}]", f"data.path={tmp_path}/data"]
    places += [f"kubeflow.serving_root={tmp_path}/models", f"kubeflow.state={tmp_path}/state"]
    (tmp_path / "data").mkdir()
    cache, pods = {}, itertools.count()

    def start(pod, outputs, container, given):
        if told := dict.fromkeys(outputs.get("parameters", {}), str):
            request = backend.request(pod, outputs=told, **given)
            args = [text.replace("{{$}}", json.dumps(request)) for text in container["args"]]
            assert main(args) == 0
            return json.loads(backend.output_file(pod).read_text())["parameterValues"]
        for key in outputs["artifacts"]:
            model = backend.path(pod, key) / "Format-Serving" / "saved_model.pb"
            model.parent.mkdir(parents=True)
            model.write_text(pod)
        return {key: backend.input(pod, key) for key in outputs["artifacts"]}

    def run(*sets, image="pawlens/pipeline:1"):
        settings = [*places, f"kubeflow.image={image}", *sets]
        compiled = compile_pipeline(load_config("linear_blobs", settings))
        tasks, made, ran = compiled.spec["root"]["dag"]["tasks"], {}, set()

        def value(form):
            [(kind, told)] = form.items()
            if kind == "componentInputParameter":
                return compiled.parameters[told]["defaultValue"]
            if kind == "runtimeValue":
                return told["constant"]
            key = "outputParameterKey" if kind == "taskOutputParameter" else "outputArtifactKey"
            return made[told["producerTask"]][told[key]]

        waits_for = {name: task.get("dependentTasks", ()) for name, task in tasks.items()}
        for name in TopologicalSorter(waits_for).static_order():
            component, given = compiled.spec["components"][f"comp-{name}"], tasks[name]["inputs"]
            executor = compiled.spec["deploymentSpec"]["executors"][component["executorLabel"]]
            asked = {
                what: {key: value(form) for key, form in given.get(kind, {}).items()}
                for what, kind in (("inputs", "artifacts"), ("parameters", "parameters"))
            }
            work = (component["outputDefinitions"], executor["container"], asked)
            key = json.dumps(work, sort_keys=True)
            if not tasks[name]["cachingOptions"] or key not in cache:
                ran.add(name)
                cache[key] = start(f"{name}-{next(pods)}", *work)
            made[name] = cache[key]
        return ran

    return run


def test_unchanged_data_is_neither_ingested_nor_learned_again(run, tmp_path):
    everything = run()
    assert len(everything) == 13
    assert run() == ALWAYS
    (tmp_path / "data" / "b.csv").touch()
    assert run() == everything
    (tmp_path / "data" / "b.csv").write_text("x,y,label\n")
    assert run() == everything
    assert run() == ALWAYS
    assert run(image="pawlens/pipeline:2") == everything


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("interpreter.images=3", {"interpreter"}),
        ("evaluator.min_slice_size=3", FROM_EVALUATOR),
        ("trainer.learning_rate=0.2", {"trainer", "baseline", "infra-validator"} | FROM_EVALUATOR),
        ("pusher.keep_versions=3", set()),
    ],
)
def test_a_setting_counts_from_the_step_that_reads_it(run, setting, again):
    run()
    assert run(setting) == ALWAYS | again


def test_another_served_model_is_compared_with_again(run, tmp_path):
    run()
    folder = tmp_path / "models" / "linear_blobs" / "99"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("pushed by others")
    assert run() == ALWAYS | {"baseline"} | FROM_EVALUATOR
    assert run() == ALWAYS
