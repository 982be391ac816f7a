"""What Kubeflow Pipelines' UI gets: the formats that its viewers check, and the right numbers."""

import math

from google.protobuf import json_format
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from components import artifacts
from components.interpreter.ui import overall_metrics, set_classification_metrics, set_metrics


def metadata(artifact):
    """An artifact's properties as JSON, as the backend gets them."""
    sent = kubeflow_v2_entrypoint_utils.to_runtime_artifact(artifact, {})
    return json_format.MessageToDict(sent.metadata)


def test_metrics_are_finite_numbers_by_name(kit):
    evaluation = kit.Case().figures
    evaluation["figures"] += [
        kit.figure("recall", 0.25, of="dog"),
        kit.figure("recall", 0.5, of="hot dog"),
        kit.figure("recall", 0.75, of="hot-dog"),
        kit.figure("precision", None, of="dog"),
        kit.figure("cross_entropy", math.inf),
        kit.figure("accuracy", 0.5, slice="image/orientation=square", examples=7),
    ]
    made = artifacts.Metrics()
    set_metrics(made, evaluation)
    assert metadata(made) == {
        "accuracy": 0.8734567,
        "recall_dog": 0.25,
        "recall_hot_dog": 0.5,
        "recall_hot_dog_": 0.75,
        "blessed": 1,
        "examples": 40,
    }
    refused = artifacts.Metrics()
    set_metrics(refused, {"figures": [], "blessed": False})
    assert metadata(refused) == {"blessed": 0}


def test_of_many_classes_only_the_worst_are_told(kit):
    figures = [kit.figure("f1", number / 60, of=f"c{number}") for number in range(60)]
    made = artifacts.Metrics()
    set_metrics(made, {"figures": figures, "blessed": False})
    found = metadata(made).keys() - {"blessed", "examples"}
    assert found == {f"f1_c{number}" for number in range(50)}


def test_overall_metrics_by_name(kit):
    figures = [
        kit.figure("iou", 0.5, of="contour"),
        kit.figure("auc", None),
        kit.figure("iou", 0.1, slice="image/orientation=square", of="contour"),
    ]
    assert list(overall_metrics(figures).items()) == [("auc", None), ("iou_contour", 0.5)]


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
            {"confidenceThreshold": 0.0, "falsePositiveRate": 1.0, "recall": 1.0},
        ]
    }
    without = artifacts.ClassificationMetrics()
    none = {"confusion": {"classes": ["a"] * 51, "rows": None}, "roc": None}
    set_classification_metrics(without, kit.Case().figures | none)
    assert metadata(without) == {}
