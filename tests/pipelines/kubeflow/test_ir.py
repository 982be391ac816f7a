"""What the open-source backend needs of the IR, checked on real pipelines."""

import copy
import json
import re
from pathlib import Path

import pytest

from pipelines.config import load_config
from pipelines.kubeflow import ir
from pipelines.kubeflow.compiler import compile_pipeline

IMAGES = [
    "kubeflow.image=registry.example.com/pawlens/pipeline:1.2.3",
    "kubeflow.gpu_image=registry.example.com/pawlens/pipeline-gpu:1.2.3",
]
ARGO_NAME = re.compile(r"[a-z0-9][-a-z0-9]*")


@pytest.fixture(scope="module", params=["cats_vs_dogs", "linear_blobs"])
def compiled(request):
    return compile_pipeline(load_config(request.param, IMAGES))


@pytest.fixture(scope="module")
def cats():
    sets = [*IMAGES, "converter={formats: [onnx]}", "data.path=/data/cats"]
    return compile_pipeline(load_config("cats_vs_dogs", sets))


def _tasks(compiled):
    return compiled.spec["root"]["dag"]["tasks"]


def _container(compiled, task):
    component = compiled.spec["components"][f"comp-{task}"]
    return compiled.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]


def test_every_name_is_one_that_argo_takes(compiled):
    spec = compiled.spec
    names = [*_tasks(compiled), *spec["components"], *spec["deploymentSpec"]["executors"]]
    assert len(names) >= 3 * 11
    for name in (compiled.name, *names):
        assert ARGO_NAME.fullmatch(name), name


def test_every_reference_finds_what_it_names(compiled):
    components = compiled.spec["components"]
    for name, task in _tasks(compiled).items():
        assert task["taskInfo"]["name"] == name
        component = components[task["componentRef"]["name"]]
        assert component["executorLabel"] in compiled.spec["deploymentSpec"]["executors"]
        inputs = component["inputDefinitions"]
        assert set(task["inputs"].get("artifacts", {})) == set(inputs.get("artifacts", {}))
        assert set(task["inputs"]["parameters"]) == set(inputs["parameters"])
        for given in task["inputs"].get("artifacts", {}).values():
            source = given["taskOutputArtifact"]
            producer = _tasks(compiled)[source["producerTask"]]
            outputs = components[producer["componentRef"]["name"]]["outputDefinitions"]
            assert source["outputArtifactKey"] in outputs["artifacts"]
            assert source["producerTask"] in task["dependentTasks"]
        assert set(task.get("dependentTasks", [])) <= set(_tasks(compiled))


def test_tasks_take_values_in_forms_that_the_backend_resolves(compiled):
    for task in _tasks(compiled).values():
        for parameter in task["inputs"]["parameters"].values():
            [form] = parameter
            if form == "componentInputParameter":
                assert parameter[form] in compiled.parameters
            elif form == "taskOutputParameter":
                assert parameter[form]["producerTask"] in task["dependentTasks"]
            else:
                assert form == "runtimeValue"
                assert set(parameter[form]) == {"constant"}


def test_the_entrypoint_is_told_every_input_but_the_image(compiled):
    for name, task in _tasks(compiled).items():
        args = _container(compiled, name)["args"]
        told = json.loads(args[args.index("--json_serialized_inputs_spec_args") + 1])
        images = {"image", "gpu_image"} & set(task["inputs"]["parameters"])
        assert len(images) == 1
        # A driver's answer is asked for in one task, and given in the other.
        answers = {"input_fingerprint", "baseline_digest"} if name.endswith("-fingerprint") else ()
        declared = set(told.get("parameters", {})).difference(answers)
        assert declared == set(task["inputs"]["parameters"]) - images
        assert set(told.get("artifacts", {})) == set(task["inputs"].get("artifacts", {}))
        [image] = images
        assert _container(compiled, name)["image"] == f"{{{{$.inputs.parameters['{image}']}}}}"


def test_parameters_of_a_run_have_defaults(cats):
    images = dict(one.removeprefix("kubeflow.").split("=") for one in IMAGES)
    defaults = {"data": "/data/cats", "epochs": 50.0, **images}
    assert {name: one["defaultValue"] for name, one in cats.parameters.items()} == defaults
    kinds = [one["parameterType"] for one in cats.parameters.values()]
    assert sorted(kinds) == ["NUMBER_INTEGER", "STRING", "STRING", "STRING"]
    taken = (("example-gen", "input_base", "data"), ("trainer", "epochs", "epochs"))
    for task, key, name in taken:
        given = _tasks(cats)[task]["inputs"]["parameters"][key]
        assert given == {"componentInputParameter": name}


def test_a_training_from_a_file_is_not_cached_by_the_files_name():
    """Only the cluster has the file, so nobody looks for it here."""
    sets = [*IMAGES, "trainer.weights=/state/start.weights.h5"]
    compiled = compile_pipeline(load_config("cats_vs_dogs", sets))
    assert not _tasks(compiled)["trainer"]["cachingOptions"]


def test_no_path_of_the_machine_that_compiles_is_left(compiled):
    assert str(Path(__file__).parents[3]) not in compiled.to_yaml()
    assert str(Path.home()) not in json.dumps(compiled.spec)


def test_an_unknown_field_is_an_error_here_and_not_on_the_cluster(cats):
    spec = copy.deepcopy(cats.spec)
    spec["deploymentSpec"]["executors"]["exec-pusher"]["container"]["lifecycles"] = {}
    with pytest.raises(Exception, match="lifecycles"):
        ir._checked(spec)
