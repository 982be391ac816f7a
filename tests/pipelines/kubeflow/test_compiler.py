"""Compiled pipelines as files: the same every time, and what is refused."""

import json
import os
from pathlib import Path

import pytest

from pipelines.config import load_config, shipped_configs
from pipelines.kubeflow.compiler import compile_pipeline
from serving.errors import InputError

GOLDEN = Path(__file__).with_name("golden") / "cats_vs_dogs.yaml"
WRITE = "PAWLENS_WRITE_GOLDEN"
IMAGE = "kubeflow.image=registry.example.com/pawlens/pipeline:1.2.3"
GPU_IMAGE = "kubeflow.gpu_image=registry.example.com/pawlens/pipeline-gpu:1.2.3"


def test_it_compiles_to_what_was_reviewed():
    compiled = compile_pipeline(load_config("cats_vs_dogs", [IMAGE, GPU_IMAGE]))
    parameters = compiled.spec["root"]["dag"]["tasks"]["interpreter"]["inputs"]["parameters"]
    value = parameters["recipe"]["runtimeValue"]
    recipe = json.loads(value["constant"])
    assert len(recipe["code_sha256"]) == 64
    # Without the digest of the code, which every edit changes.
    value["constant"] = json.dumps(recipe | {"code_sha256": "..."})
    text = compiled.to_yaml()
    if os.environ.get(WRITE):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), f"if this is meant: {WRITE}=1 writes {GOLDEN.name} anew"


@pytest.mark.parametrize("name", sorted({*shipped_configs()} - {"cats_vs_dogs"}))
def test_every_shipped_pipeline_compiles_and_names_no_class(name):
    compiled = compile_pipeline(load_config(name, [IMAGE, GPU_IMAGE]))
    tasks = compiled.spec["root"]["dag"]["tasks"]
    assert len(tasks) == 13
    told = {task for task, one in tasks.items() if "task" in one["inputs"]["parameters"]}
    assert {"example-gen", "schema-gen", "interpreter", "infra-validator"} <= told
    # What is known of classes before ingest, and what the model card quotes, is what is pinned.
    for task in set(tasks) - {"example-gen", "example-gen-fingerprint", "interpreter"}:
        assert "foreground" not in json.dumps(tasks[task])


def test_what_the_configuration_says_arrives():
    compiled = compile_pipeline(
        load_config(
            "linear_blobs",
            [
                IMAGE,
                "kubeflow.pipeline_root=s3://bucket/runs",
                "pusher.serving_root=s3://bucket/models",
                "kubeflow.secrets=[{name: store, env: {AWS_ACCESS_KEY_ID: user}}]",
                "kubeflow.state=/state/blobs",
                "beam.args=['--runner=DirectRunner']",
                "beam.steps.evaluator=['--direct_num_workers=3']",
                "steps.more={component: 'tfx.components.statistics_gen.component:StatisticsGen',"
                " inputs: {examples: example_gen.examples}, before_push: true}",
                "kubeflow.steps.more.cpu_limit=3",
            ],
        )
    )
    assert compiled.spec["defaultPipelineRoot"] == "s3://bucket/runs"
    tasks = compiled.spec["root"]["dag"]["tasks"]
    base = tasks["baseline"]["inputs"]["parameters"]["model_base_path"]
    assert base == {"runtimeValue": {"constant": "s3://bucket/models/linear_blobs"}}
    custom = tasks["trainer"]["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
    assert json.loads(custom)["state_dir"] == "/state/blobs"
    epochs = tasks["trainer"]["inputs"]["parameters"]["epochs"]
    assert epochs == {"componentInputParameter": "epochs"}
    executors = compiled.spec["deploymentSpec"]["executors"]
    options = {name: one["container"]["args"][6:] for name, one in executors.items()}
    assert options["exec-statistics-gen"][0] == "--runner=DirectRunner"
    assert options["exec-evaluator"][0] == "--direct_num_workers=3"
    assert "--runner=DirectRunner" not in options["exec-evaluator"]
    assert options["exec-pusher"] == []
    assert "more" in tasks["pusher"]["dependentTasks"]
    assert executors["exec-more"]["container"]["resources"]["resourceCpuLimit"] == "3"


@pytest.mark.parametrize(
    "sets, line",
    [
        ([], "kubeflow.image is not set: expected the pipeline's container image"),
        (["kubeflow.image=pawlens/pipeline"], "kubeflow.image: expected an image with a tag"),
        (["kubeflow.image=pawlens/pipeline:latest"], "(not 'latest')"),
        (["kubeflow.image=localhost:5000/pipeline"], "kubeflow.image: expected an image with"),
        (["kubeflow.image=p@sha256:123"], "found 'p@sha256:123'"),
        ([IMAGE, "kubeflow.steps.trainer.accelerator={}"], "kubeflow.gpu_image"),
        ([IMAGE, "data.path=/elsewhere"], "data.path: step example_gen: expected a folder on"),
        ([IMAGE, "kubeflow.serving_root=/lost"], "the serving root: step baseline: expected a"),
        (
            [IMAGE, "pusher.serving_root=s3://bucket/models"],
            "step baseline uses s3://bucket/models: expected a secret with the store's credentials",
        ),
        ([IMAGE, "pusher.serving_root=models"], "pusher.serving_root: expected a URL, or the"),
    ],
)
def test_what_a_cluster_cannot_do_is_one_line(sets, line):
    with pytest.raises(InputError) as error:
        compile_pipeline(load_config("linear_blobs", sets))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("image", ["p:1", "localhost:5000/a/p:v1.2", "p@sha256:" + "0" * 64])
def test_images_with_a_fixed_tag_or_a_digest_pass(image):
    compiled = compile_pipeline(load_config("linear_blobs", [f"kubeflow.image={image}"]))
    assert compiled.parameters["image"]["defaultValue"] == image
