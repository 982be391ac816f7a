"""The section `kubeflow`: how defaults merge, and what is refused."""

import pytest

from pipelines.config import load_config
from pipelines.pipeline import Places, build_pipeline
from pipelines.steps import STEPS
from serving.errors import InputError


def _kubeflow(*sets):
    return load_config("linear_blobs", [f"kubeflow.{one}" for one in sets]).kubeflow


def test_a_steps_own_values_come_before_the_default_and_ours():
    kubeflow = _kubeflow(
        "steps.default={cpu_limit: 3, memory_limit: 4Gi, accelerator: {count: 1}}",
        "steps.trainer={cpu_limit: 8, accelerator: {count: 2}}",
        "steps.pusher={accelerator: null, timeout_seconds: null}",
    )
    trainer, pusher = kubeflow.step("trainer"), kubeflow.step("pusher")
    assert (trainer.cpu_limit, trainer.memory_limit, trainer.cpu_request) == ("8", "4Gi", "1")
    assert (trainer.accelerator.type, trainer.accelerator.count) == ("nvidia.com/gpu", 2)
    assert (pusher.cpu_limit, pusher.memory_limit) == ("3", "4Gi")
    # What the default says can be taken back.
    assert kubeflow.step("evaluator").accelerator.count == 1
    assert (pusher.accelerator, pusher.timeout_seconds) == (None, None)


@pytest.mark.parametrize("quantity", ["2", "1.5", "500m"])
def test_quantities_are_kubernetes_own(quantity):
    assert _kubeflow(f"steps.default.cpu_limit={quantity}").step("pusher").cpu_limit == quantity


@pytest.mark.parametrize(
    "wrong, line",
    [
        ("steps.default.cpu_limit=many", "steps.default.cpu_limit: expected a quantity like 500m"),
        ("steps.default.cpu_limit=true", "steps.default.cpu_limit: expected a quantity like 500m"),
        ("steps.trainr.cpu_limit=2", "did you mean 'trainer'?"),
        ("volumes=[{claim: data, path: /d, steps: [pusherr]}]", "did you mean 'pusher'?"),
        ("volumes=[{claim: data, path: d}]", "kubeflow.volumes.0.path"),
        ("secrets=[{name: store}]", "kubeflow.secrets: store: expected env or path"),
        ("pipeline_root=/artifacts", "kubeflow.pipeline_root"),
        ("step.trainer.cpu_limit=2", "unknown key; did you mean 'kubeflow.steps"),
    ],
)
def test_what_makes_no_sense_is_one_line(wrong, line):
    with pytest.raises(InputError) as error:
        _kubeflow(wrong)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "sets, missing",
    [
        ([], {"tuner", "converter"}),
        (
            [
                "converter={formats: [onnx]}",
                "tuner={epochs: 1, space: {learning_rate: {min: 0.001, max: 0.01}}}",
            ],
            set(),
        ),
    ],
)
def test_every_step_of_the_pipelines_is_known(sets, missing):
    config = load_config("cats_vs_dogs", sets)
    pipeline = build_pipeline(config, Places("data", "root", "serving", elsewhere=True))
    assert {component.id for component in pipeline.components} == set(config.step_names)
    assert set(STEPS) - set(config.step_names) == missing
