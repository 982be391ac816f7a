"""What Kubeflow Pipelines' UI gets: the formats that its viewers check, and the right numbers."""

import math
from pathlib import Path

import pytest
from google.protobuf import json_format
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from components import artifacts
from components.interpreter.ui import overall_metrics, set_classification_metrics, set_metrics


def metadata(artifact):
    """An artifact's properties as JSON, as the backend gets them."""
    sent = kubeflow_v2_entrypoint_utils.to_runtime_artifact(artifact, {})
    return json_format.MessageToDict(sent.metadata)


def test_types_are_such_as_the_compiler_takes():
    for name, kind in artifacts.ARTIFACT_TYPES.items():
        assert name == kind.TYPE_NAME
        assert f"title: {name}\n" in compiler_utils.get_artifact_schema(kind)
        assert not kind.PROPERTIES
    assert len(artifacts.ARTIFACT_TYPES) == 7


def test_metrics_are_finite_numbers_by_name(kit):
    evaluation = kit.Case().figures
    evaluation["figures"] += [
        kit.figure("recall", 0.25, **{"class": "dog"}),
        kit.figure("precision", None, **{"class": "dog"}),
        kit.figure("cross_entropy", math.inf),
        kit.figure("accuracy", 0.5, slice="image/orientation=square", examples=7),
    ]
    made = artifacts.Metrics()
    set_metrics(made, evaluation)
    assert metadata(made) == {
        "accuracy": 0.8734567,
        "recall_dog": 0.25,
        "blessed": 1,
        "examples": 40,
    }


def test_a_refused_model_without_a_figure():
    made = artifacts.Metrics()
    set_metrics(made, {"figures": [], "blessed": False})
    assert metadata(made) == {"blessed": 0}


def test_overall_metrics_by_name(kit):
    figures = [
        kit.figure("auc", None),
        kit.figure("iou", 0.5, **{"class": "contour"}),
        kit.figure("iou", 0.1, slice="image/orientation=square", **{"class": "contour"}),
    ]
    assert overall_metrics(figures) == {"auc": None, "iou_contour": 0.5}


def test_the_matrix_has_a_row_for_each_true_class(kit):
    made = artifacts.ClassificationMetrics()
    evaluation = kit.Case().figures
    set_classification_metrics(made, evaluation)
    found = metadata(made)
    matrix = found.pop("confusionMatrix")
    # 41 cats were taken for dogs.
    assert matrix["annotationSpecs"] == [{"displayName": "cat"}, {"displayName": "dog"}]
    assert matrix["rows"] == [{"row": [1900, 41]}, {"row": [52, 7]}]
    assert found == {
        "confidenceMetrics": [
            {"confidenceThreshold": 1.0, "falsePositiveRate": 0.0, "recall": 0.0},
            {"confidenceThreshold": 0.5, "falsePositiveRate": 0.25, "recall": 0.75},
            {"confidenceThreshold": 0.0, "falsePositiveRate": 1.0, "recall": 1.0},
        ]
    }


@pytest.mark.parametrize("problem", ["segmentation", "points"])
def test_the_step_fills_every_output(kit, problem):
    records = {"segmentation": kit.masked, "points": kit.pointed}[problem]()
    case = kit.Case(records=records)
    if problem == "segmentation":
        case.figures |= {
            "confusion": {"classes": ["a", "b", "c"], "rows": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]},
            "roc": None,
        }
    made = kit.outputs(case, problem)
    (page,) = Path(made["page"].uri).iterdir()
    report = Path(made["report"].uri, artifacts.REPORT_PAGE).read_text("utf-8")
    before, links, after = report.partition("<nav")
    assert links
    # The same page but for the links to its sections.
    assert page.name == "index.html"
    assert page.read_text("utf-8") == before + after.partition("</nav>\n")[2]
    assert metadata(made["metrics"])["accuracy"] == 0.8734567
    drawn = metadata(made["classification_metrics"])
    size = 3 if problem == "segmentation" else 2
    assert [len(row["row"]) for row in drawn["confusionMatrix"]["rows"]] == [size] * size
    assert ("confidenceMetrics" in drawn) == (problem == "points")
