import pytest
from google.protobuf import json_format
from tfx.types.standard_artifacts import Examples

from pipelines.kubeflow.invocation import parse, step_name

EXECUTOR = "tfx.components.trainer.executor.GenericExecutor"


@pytest.fixture
def backend(each_backend):
    return each_backend


def _metadata(listed) -> dict:
    [artifact] = listed.artifacts
    return json_format.MessageToDict(artifact.metadata)


def test_what_the_backend_adds_is_gone(backend, as_command):
    """ML Metadata's lists and mappings come one level deeper than they were stored."""
    model = backend.input(
        "trainer",
        "model",
        classes=["cat", "dog"],
        confusion={"rows": [{"row": [1, 2]}]},
        given={"list": ["of one"]},
        pair={"list": [], "struct": {}},
        nothing=None,
    )
    request = backend.request(
        "evaluator", inputs={"model": model}, outputs={"examples": Examples}, parameters={"x": 1}
    )
    request["outputs"]["artifacts"]["examples"]["artifacts"][0]["metadata"] = {
        "display_name": "examples",
        "kept": 1,
    }
    request["somethingNew"] = {"of": "a later version"}
    invocation = parse(as_command(EXECUTOR, request, {}, "--runner=FlinkRunner", "--streaming"))

    assert _metadata(invocation.request.inputs.artifacts["model"]) == {
        "tfx_version": "1.21.0",
        "classes": ["cat", "dog"],
        "confusion": {"rows": [{"row": [1, 2]}]},
        "given": {"list": ["of one"]},
        "pair": {"list": [], "struct": {}},
    }
    assert list(invocation.request.outputs.artifacts) == ["examples"]
    assert _metadata(invocation.request.outputs.artifacts["examples"]) == {"kept": 1}
    assert invocation.request.outputs.output_file == str(backend.output_file("evaluator"))
    assert invocation.beam_args == ["--runner=FlinkRunner", "--streaming"]
    assert invocation.executor == EXECUTOR


def test_a_step_without_inputs_has_none_in_its_request(as_command):
    request = {"outputs": {"outputFile": "/tmp/x"}}
    assert not parse(as_command(EXECUTOR, request, {})).request.inputs.artifacts
    # Beam's options are none of ours shortened.
    assert parse([*as_command(EXECUTOR, request, {}), "--json=1"]).beam_args == ["--json=1"]


def test_steps_are_named_by_their_rooms():
    assert step_name("components.example_gen.executor.Executor") == "example_gen"
    assert step_name("components.data_validation.schema_gen.Executor") == "schema_gen"
    assert step_name(EXECUTOR) == "trainer"
    assert step_name("Executor") == "Executor"
