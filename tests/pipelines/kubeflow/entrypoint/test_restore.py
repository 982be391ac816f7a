from typing import Any

import pytest
from tfx.types import standard_artifacts as kinds

from components.artifacts import HTML, Report
from pipelines.kubeflow.artifacts import restore_inputs, restore_outputs, restore_parameters
from pipelines.kubeflow.invocation import parse
from pipelines.kubeflow.locations import Locations
from serving.errors import InputError

EXECUTOR = "components.pusher.executor.Executor"


@pytest.fixture
def backend(each_backend):
    return each_backend


@pytest.fixture
def restore(backend):
    """`restore(inputs, outputs, changes)` -> inputs, outputs, names."""

    def run(inputs: dict[str, Any], outputs: dict[str, type], **changes: Any) -> Any:
        for _, artifact in inputs.values():
            artifact.update(changes)
        command = backend.command(EXECUTOR, "pusher", inputs=inputs, outputs=outputs)
        invocation, locations = parse(command), Locations()
        return (
            restore_inputs(invocation, locations),
            restore_outputs(invocation, locations),
            locations.names,
        )

    return run


@pytest.mark.parametrize(
    "said",
    [
        {"instanceSchema": ""},
        {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"},
        {"instanceSchema": "title: tfx.Model\n"},
        {"schemaTitle": "title: tfx.Model\ntype: object\n"},
    ],
)
def test_types_are_as_declared_whatever_the_backend_says(backend, restore, said):
    given = {
        "examples": (kinds.Examples, backend.input("example-gen", "examples", span=3.0)),
        "report": (Report, backend.input("interpreter", "report")),
        "page": (HTML, backend.input("interpreter", "page")),
    }
    for task, key in (("example-gen", "examples"), ("interpreter", "report")):
        backend.path(task, key).mkdir(parents=True)
    outputs = {"pushed_model": kinds.PushedModel, "report": Report, "page": HTML}
    inputs, restored, names = restore(given, outputs, type=said)

    declared = {key: kind for key, (kind, _) in given.items()}
    assert {key: type(one) for key, [one] in inputs.items()} == declared
    assert {key: type(one) for key, [one] in restored.items()} == outputs
    [examples] = inputs["examples"]
    assert examples.uri == str(backend.path("example-gen", "examples"))
    assert (examples.span, type(examples.span)) == (3, int)
    found = given["examples"][1]
    assert names[examples.id] == (found.get("artifactId") or found["name"])
    assert examples.get_string_custom_property("tfx_version") == "1.21.0"
    assert restored["page"][0].uri == str(backend.path("pusher", "page"))
    assert names[restored["page"][0].id] == "page"


def test_properties_of_ours_come_back_wherever_newer_launchers_keep_them(
    backend, restore, tmp_path
):
    found = backend.input("evaluator", "blessing", blessed=1.0, classes=["cat"])
    inputs, _, _ = restore({"blessing": (kinds.ModelBlessing, found)}, {}, customPath=str(tmp_path))
    [blessing] = inputs["blessing"]
    assert blessing.uri == str(tmp_path)
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_json_value_custom_property("classes") == ["cat"]
    assert not blessing.has_custom_property("store_session_info")


def test_an_optional_input_without_artifact(backend, as_command):
    request = backend.request("pusher", inputs={}, outputs={}, parameters={})
    request["inputs"]["artifacts"]["examples"] = {}
    assert restore_inputs(parse(as_command(EXECUTOR, request, {})), Locations()) == {}


def test_a_type_that_nobody_declares(backend, as_command):
    found = backend.input("trainer", "model") | {"type": {"schemaTitle": "google.VertexModel"}}
    request = backend.request("pusher", inputs={"model": found}, outputs={}, parameters={})
    made = {"uri": backend.uri("pusher", "x"), "type": {"schemaTitle": "title: its.Own\n"}}
    request["outputs"]["artifacts"]["x"] = {"artifacts": [made]}
    invocation = parse(as_command(EXECUTOR, request, {}))
    with pytest.raises(InputError, match=r"input model: .*found type 'google\.VertexModel'"):
        restore_inputs(invocation, Locations())
    with pytest.raises(InputError, match=r"output x: expected .*found type 'its\.Own'"):
        restore_outputs(invocation, Locations())


DECLARED = {
    "parameters": {
        "epochs": {"parameterType": "NUMBER_INTEGER"},
        "rate": {"parameterType": "NUMBER_DOUBLE"},
        "data": {"parameterType": "STRING"},
        "maybe": {"parameterType": "STRING", "isOptional": True},
    }
}
GIVEN = {"epochs": 3.0, "rate": 1, "data": "/data", "image": "pawlens/pipeline:1", "maybe": None}


@pytest.fixture
def parameters(as_command):
    def run(**given: Any) -> dict[str, Any]:
        values = {name: value for name, value in (GIVEN | given).items() if value != "absent"}
        request = {"inputs": {"parameterValues": values}, "outputs": {"outputFile": "/tmp/x"}}
        return restore_parameters(parse(as_command(EXECUTOR, request, DECLARED)))

    return run


def test_parameters_are_those_declared_in_their_types(parameters):
    restored = parameters()
    assert restored == {"epochs": 3, "rate": 1.0, "data": "/data"}
    types = {"epochs": int, "rate": float, "data": str}
    assert {name: type(value) for name, value in restored.items()} == types
    assert parameters(maybe="x")["maybe"] == "x"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data": "absent"}, "parameter data: expected a value"),
        ({"data": None}, "parameter data: expected a value"),
        ({"epochs": 2.5}, "parameter epochs: expected NUMBER_INTEGER, found 2.5"),
        ({"epochs": "3"}, "parameter epochs: expected NUMBER_INTEGER, found '3'"),
        ({"data": 3}, "parameter data: expected STRING, found 3.0"),
    ],
)
def test_parameters_that_do_not_fit(parameters, given, told):
    with pytest.raises(InputError, match=f"--json_serialized_invocation_args: {told}"):
        parameters(**given)
