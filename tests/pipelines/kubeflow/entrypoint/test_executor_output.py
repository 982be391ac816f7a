import json
import math
from pathlib import Path
from typing import Any

import pytest
from tfx.orchestration.portable import outputs_utils
from tfx.types import standard_artifacts as kinds
from tfx.types.standard_artifacts import Schema

from components.artifacts import HTML, ClassificationMetrics, Metrics, Report
from pipelines.kubeflow import artifacts
from pipelines.kubeflow.invocation import parse
from pipelines.kubeflow.locations import Locations


@pytest.fixture
def backend(each_backend):
    return each_backend


@pytest.fixture
def write(backend):
    """`write(outputs, fill)` -> the output file's artifacts; `fill` gets TFX's, by key."""

    def run(outputs: dict[str, type], fill: Any, inputs: dict[str, Any] | None = None) -> Any:
        executor = "components.evaluator.executor.Executor"
        command = backend.command(executor, "evaluator", inputs=inputs, outputs=outputs)
        invocation, locations = parse(command), Locations()
        found = artifacts.restore_inputs(invocation, locations)
        made = artifacts.restore_outputs(invocation, locations)
        outputs_utils.make_output_dirs(made)
        fill({key: one for key, [one] in (found | made).items()})
        artifacts.write_output(backend.output_file("evaluator"), made, locations, {})
        return backend.told("evaluator")

    return run


def test_metadata_that_cannot_be_stored_is_left_out(write, caplog):
    def fill(artifacts):
        for one in artifacts.values():
            for name, value in (("good", 0.5), ("a", math.nan), ("b", math.inf), ("c", -math.inf)):
                one.set_float_custom_property(name, value)
            one.set_int_custom_property("count", 3)
            one.set_bool_custom_property("yes", True)
            one.set_string_custom_property("text", "")
            one.set_json_value_custom_property("rows", {"rows": [{"row": [1, 2]}], "none": None})
            one.set_json_value_custom_property("deep", {"rows": [{"row": [1, math.nan]}]})
            one.set_json_value_custom_property("list", ["cat", math.inf])
            one.set_json_value_custom_property("nothing", [None])
            one.mlmd_artifact.custom_properties["empty"].SetInParent()
            one.mlmd_artifact.custom_properties["null"].struct_value["__value__"] = None

    told = write({"metrics": Metrics, "curves": ClassificationMetrics}, fill)
    # The UI lists every entry, so there is none of TFX's version; of metrics, only numbers stay.
    numbers = {"good": 0.5, "count": 3.0, "yes": 1.0}
    assert told["metrics"]["metadata"] == numbers
    more = {"text": "", "rows": {"rows": [{"row": [1.0, 2.0]}], "none": None}, "nothing": [None]}
    assert told["curves"]["metadata"] == numbers | more
    left_out = {record.args for record in caplog.records if record.name == "pawlens"}
    expected = {"a", "b", "c", "deep", "list", "empty"}
    assert {name for key, name, _ in left_out if key == "curves"} == expected


def test_local_paths_become_uris(write, backend):
    backend.path("trainer", "model").mkdir(parents=True)
    model = backend.input("trainer", "model")

    def fill(artifacts):
        blessing = artifacts["blessing"]
        blessing.set_string_custom_property("current_model", artifacts["model"].uri)
        blessing.set_json_value_custom_property(
            "seen", [{"where": f"{artifacts['evaluation'].uri}/figures.json"}]
        )
        blessing.set_string_custom_property("pushed_destination", "/models/cats/7")

    told = write(
        {"blessing": kinds.ModelBlessing, "evaluation": kinds.ModelEvaluation},
        fill,
        {"model": (kinds.Model, model)},
    )
    assert told["blessing"]["uri"] == backend.uri("evaluator", "blessing")
    assert told["blessing"]["metadata"] == {
        "current_model": model["uri"],
        "seen": [{"where": f"{backend.uri('evaluator', 'evaluation')}/figures.json"}],
        "pushed_destination": "/models/cats/7",
        "tfx_version": "1.21.0",
    }
    assert str(backend.prefix) not in json.dumps(told)


@pytest.mark.parametrize("files", [("index.html",), ("deep/page.html",), (), ("a.html", "b.html")])
def test_a_page_is_told_as_the_one_file_that_it_is(write, backend, files):
    def fill(artifacts):
        for artifact in artifacts.values():
            for name in files:
                path = Path(artifact.uri, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text("<p>")

    told = write({"page": HTML, "report": Report}, fill)
    folder = backend.uri("evaluator", "page")
    assert told["page"]["uri"] == (f"{folder}/{files[0]}" if len(files) == 1 else folder)
    assert not told["page"]["metadata"]
    assert told["report"]["uri"] == backend.uri("evaluator", "report")


def test_an_older_output_file_is_replaced(write, backend):
    backend.output_file("evaluator").parent.mkdir(parents=True)
    backend.output_file("evaluator").write_text('{"parameterValues": {"old": 1}}')
    assert list(write({"schema": Schema}, lambda _: None)) == ["schema"]
    assert [path.name for path in backend.output_file("evaluator").parent.glob("output_*")] == [
        "output_metadata.json"
    ]
