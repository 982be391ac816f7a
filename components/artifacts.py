"""Artifact types of our own, and the files by which steps hand on what they know.

The names of types are as TFX's Kubeflow compiler takes them: a namespace in small letters, a dot,
a title. Kubeflow Pipelines' UI draws the types in `system` by what their properties hold; they
may declare no PROPERTIES, so everything is a custom property.
"""

from tfx.types.artifact import Artifact


class Quarantine(Artifact):
    """What example_gen counted and what it refused: INGEST_SUMMARY and QUARANTINED."""

    TYPE_NAME = "pawlens.Quarantine"


class Validation(Artifact):
    """That the data fits its schema: VALIDATION."""

    TYPE_NAME = "pawlens.Validation"


class Report(Artifact):
    """What the interpreter tells: REPORT_PAGE, MODEL_CARD(_DATA), maybe PREDICTIONS."""

    TYPE_NAME = "pawlens.Report"


class Conversions(Artifact):
    """A model in other formats: one file each (components/converter) and COMPARISON."""

    TYPE_NAME = "pawlens.Conversions"


class HTML(Artifact):
    """A page that the UI shows: one self-contained file, nothing beside it."""

    TYPE_NAME = "system.HTML"


class Metrics(Artifact):
    """Figures that the UI lists: a finite number under each name; no file."""

    TYPE_NAME = "system.Metrics"


class ClassificationMetrics(Artifact):
    """Curves and tables that the UI draws from properties; no file."""

    TYPE_NAME = "system.ClassificationMetrics"


ARTIFACT_TYPES: dict[str, type[Artifact]] = {
    kind.TYPE_NAME: kind
    for kind in (Quarantine, Validation, Report, Conversions, HTML, Metrics, ClassificationMetrics)
}


# Quarantine: {"found": n, "accepted": n, "quarantined": {reason: n}, "splits": {name: n},
#              "classes": [name], "missing": n files that a list names and the folder lacks,
#              "notes": [what the user should know, a line each]}
INGEST_SUMMARY = "summary.json"
# Quarantine: one JSON object a line: {"path", "reason", "detail"}
QUARANTINED = "quarantined.jsonl"

# Validation: {"anomalies": [], "splits": [..]}
VALIDATION = "validation.json"

# A baseline Model without a model: nothing is served yet (an empty folder vanishes on a cluster)
NO_BASELINE = "NO_BASELINE"
# A baseline Model: custom property, an int: the served version that it is a copy of
BASELINE_VERSION = "version"

# ModelRun: {"model", "parameters", "seed", "made_with", "hyperparameters": what a tuner chose, by
#            dotted key, "test_time_flip": whether the model answers for picture and mirror image
#            together, "temperature": null | what its logits were divided by, "finished": date and
#            time in UTC, "monitor", "best_epoch",
#            "epochs": [{"epoch": 1.., "seconds", "loss", "val_loss", <metric>, "val_<metric>",
#                        and with earlier stages "stage": 1..; the best epoch is one of the last}],
#            or, where nothing was trained, a single epoch 0}
HISTORY = "history.json"
# ModelRun: the exported epoch as a Keras file, without test-time augmentation
BEST_CHECKPOINT = "best.keras"
# ModelRun: loss and metric curves
CURVES = "curves.png"
# ModelRun: split keys of what was trained on, one a line, sorted
TRAINING_KEYS = "training_keys.txt"

# ModelEvaluation: {"blessed", "baseline": null | {"version", "warning": null | text},
#   "figures": [{"metric", "class": null | name, "slice": "overall" | "key=value", "examples",
#                "value", "lower", "upper", "baseline": null | number}],
#   "checks": [{"metric", "class", "slice", "kind": "min" | "max_drop", "bound", "value": what was
#               judged, maybe an interval's end, "ok", "message"}],
#   "sanity": [{"randomised": layers so far, from the output down, "of": all, "correlation": mean}]:
#             of heatmaps with those before; empty where explanations are not graded,
#   "confusion": {"classes": [name], "rows": null | [[count]]}: a row a true class, a column a
#                predicted one; images, points or, at the model's size, pixels of the whole test
#                split; null where there are more than 50 classes,
#   "top_confusions": [{"true", "predicted", "count"}]: the most frequent ones, 50 at most,
#   "roc": null | [{"threshold", "false_positive_rate", "recall"}], thresholds falling: the curve
#          of the second of two classes}
FIGURES = "figures.json"
OVERALL = "overall"  # the slice of all Examples
# ModelEvaluation, where explanations are graded: a line for each graded picture, {"key": its split
#   key, "label", "predicted": names, "values": {measure: number}}; a measure that a picture has no
#   value of is left out. The figures `explanation/<measure>` are their means.
EXPLANATIONS = "explanations.jsonl"

# PushedModel: {"status": "pushed" | "already served" | "set aside" (it was rolled back from) |
#                         "rolled back" (it failed on the live server) | "not blessed" |
#                         "classes changed" (others than the served model's), "name",
#               and unless not blessed or classes changed: "version", "path", "digest";
#               pushed: "removed": versions; maybe "reason";
#               rolled back, classes changed: "reason", "served": null | {"version", "path"}}
PUSH = "push.json"

# Conversions: {"examples", "metric", "original": {"value", "milliseconds", "bytes"},
#   "conversions": [{"format", "file", "bytes", "max_difference", "mean_difference", "agreement",
#                    "value", "milliseconds", "tolerance", "ok"}]}; see components/converter
COMPARISON = "comparison.json"

# Report
REPORT_PAGE = "index.html"
# Report: what the model is, from what, how good, and for what; the same as text and as data
MODEL_CARD = "model_card.md"
MODEL_CARD_DATA = "model_card.json"
# Report, of images: one JSON object for each of the first 2,000 of the test split, {"key": its
#   split key, "origin": its file} and of classes {"label", "predicted", "probabilities":
#   {class: in [0, 1]}, the likeliest first, 5 at most}, of masks {"iou": the mean over its classes}
PREDICTIONS = "predictions.jsonl"
