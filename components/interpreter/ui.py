"""What Kubeflow Pipelines' UI draws of a run, as custom properties of `system` artifacts.

Its viewers take nothing but finite numbers, and show an error in place of anything else.
"""

import math
import re
from typing import Any

from tfx.types.artifact import Artifact

from components.artifacts import OVERALL
from components.interpreter.report import lowest


def overall_metrics(figures: list[dict[str, Any]]) -> dict[str, float | None]:
    """Metric (with its class, as in `recall_dog`) -> value on the whole split.

    Takes the entries of `artifacts.FIGURES`; those of all classes together come first.
    """
    overall = [figure for figure in figures if figure["slice"] == OVERALL]
    return {
        figure["metric"] + (f"_{figure['class']}" if figure["class"] else ""): figure["value"]
        for figure in sorted(overall, key=lambda figure: figure["class"] is not None)
    }


def set_metrics(artifact: Artifact, evaluation: dict[str, Any]) -> None:
    """Gives an `artifacts.Metrics` the numbers of `artifacts.FIGURES`.

    Each overall metric that has one under its name, those of classes as the report has them,
    `blessed` (0 or 1) and, if anything was measured, `examples`.
    """
    overall = [figure for figure in evaluation["figures"] if figure["slice"] == OVERALL]
    shown, _ = lowest(overall, "class")
    given: set[str] = set()
    for metric, value in overall_metrics(shown).items():
        if value is not None and math.isfinite(value):
            name = re.sub(r"\W+", "_", metric)
            while name in given:  # of two classes that differ in a sign only
                name += "_"
            given.add(name)
            artifact.set_float_custom_property(name, float(value))
    artifact.set_int_custom_property("blessed", int(evaluation["blessed"]))
    if overall:
        artifact.set_int_custom_property("examples", max(f["examples"] for f in overall))


def set_classification_metrics(artifact: Artifact, evaluation: dict[str, Any]) -> None:
    """Gives an `artifacts.ClassificationMetrics` table and curve of `artifacts.FIGURES`.

    `confusionMatrix`, unless there are too many classes for one, and, where there is a curve,
    `confidenceMetrics`. A row of the matrix is a true class: the UI draws its first index along
    the axis that it calls "True label".
    """
    from kfp.dsl import ClassificationMetrics  # late: it brings much along

    drawn = ClassificationMetrics()
    confusion = evaluation["confusion"]
    if confusion["rows"]:
        drawn.log_confusion_matrix(confusion["classes"], confusion["rows"])
    for point in evaluation["roc"] or ():
        drawn.log_roc_data_point(point["false_positive_rate"], point["recall"], point["threshold"])
    for name, value in drawn.metadata.items():
        artifact.set_json_value_custom_property(name, value)
