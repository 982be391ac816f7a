"""What Kubeflow Pipelines' UI draws of a run, as custom properties of `system` artifacts.

Its viewers take nothing but finite numbers, and show an error in place of anything else.
"""

import math
from typing import Any

from tfx.types.artifact import Artifact

from components.interpreter.report import OVERALL

CONFUSION_MATRIX = "confusionMatrix"
CONFIDENCE_METRICS = "confidenceMetrics"


def overall_metrics(figures: list[dict[str, Any]]) -> dict[str, float | None]:
    """Metric (with its class, as in `recall_dog`) -> value on the whole split.

    Args:
        figures: entries of `artifacts.FIGURES`.
    """
    return {
        figure["metric"] + (f"_{figure['class']}" if figure["class"] else ""): figure["value"]
        for figure in figures
        if figure["slice"] == OVERALL
    }


def set_metrics(artifact: Artifact, evaluation: dict[str, Any]) -> None:
    """Gives an `artifacts.Metrics` its numbers.

    Args:
        artifact: gets each overall metric that has a number under its name, `blessed` (0 or 1)
            and, if anything was measured, `examples`.
        evaluation: `artifacts.FIGURES`.
    """
    for name, value in overall_metrics(evaluation["figures"]).items():
        if value is not None and math.isfinite(value):
            artifact.set_float_custom_property(name, float(value))
    artifact.set_int_custom_property("blessed", int(evaluation["blessed"]))
    examples = [f["examples"] for f in evaluation["figures"] if f["slice"] == OVERALL]
    if examples:
        artifact.set_int_custom_property("examples", max(examples))


def set_classification_metrics(artifact: Artifact, evaluation: dict[str, Any]) -> None:
    """Gives an `artifacts.ClassificationMetrics` its table and curve.

    Args:
        artifact: gets `confusionMatrix` and, where there is a curve, `confidenceMetrics`. A row
            of the matrix is a true class: the UI draws its first index along the axis that it
            calls "True label".
        evaluation: `artifacts.FIGURES`.
    """
    confusion = evaluation["confusion"]
    artifact.set_json_value_custom_property(
        CONFUSION_MATRIX,
        {
            "annotationSpecs": [{"displayName": name} for name in confusion["classes"]],
            "rows": [{"row": row} for row in confusion["rows"]],
        },
    )
    if evaluation["roc"]:
        artifact.set_json_value_custom_property(
            CONFIDENCE_METRICS,
            [
                {
                    "confidenceThreshold": point["threshold"],
                    "falsePositiveRate": point["false_positive_rate"],
                    "recall": point["recall"],
                }
                for point in evaluation["roc"]
            ],
        )
