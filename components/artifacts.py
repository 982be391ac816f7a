"""Artifact types of our own, and the files by which steps hand on what they know."""

from tfx.types.artifact import Artifact


class Quarantine(Artifact):
    """What example_gen counted and what it refused: INGEST_SUMMARY and QUARANTINED."""

    TYPE_NAME = "PawlensQuarantine"


class Validation(Artifact):
    """That the data fits its schema: VALIDATION."""

    TYPE_NAME = "PawlensValidation"


class Report(Artifact):
    """The interpreter's self-contained page and model card: REPORT_PAGE, MODEL_CARD(_DATA)."""

    TYPE_NAME = "PawlensReport"


class Conversions(Artifact):
    """A model in other formats: one file each (components/converter) and COMPARISON."""

    TYPE_NAME = "PawlensConversions"


# Quarantine: {"found": n, "accepted": n, "quarantined": {reason: n}, "splits": {name: n}}
INGEST_SUMMARY = "summary.json"
# Quarantine: one JSON object a line: {"path", "reason", "detail"}
QUARANTINED = "quarantined.jsonl"

# Validation: {"anomalies": [], "splits": [..]}
VALIDATION = "validation.json"

# A baseline Model without a model: nothing is served yet (an empty folder vanishes on a cluster)
NO_BASELINE = "NO_BASELINE"

# ModelRun: {"model", "parameters", "seed", "made_with", "hyperparameters": what a tuner chose, by
#            dotted key, "finished": date and time in UTC, "monitor", "best_epoch",
#            "epochs": [{"epoch": 1.., "seconds", "loss", "val_loss", <metric>, "val_<metric>"}]}
HISTORY = "history.json"
# ModelRun: the exported epoch as a Keras file
BEST_CHECKPOINT = "best.keras"
# ModelRun: loss and metric curves
CURVES = "curves.png"
# ModelRun: split keys of the pictures trained on, one a line, sorted
TRAINING_KEYS = "training_keys.txt"

# ModelEvaluation: {"blessed", "baseline": null | {"version", "warning": null | text},
#   "figures": [{"metric", "class": null | name, "slice": "overall" | "key=value", "examples",
#                "value", "lower", "upper", "baseline": null | number}],
#   "checks": [{"metric", "class", "slice", "kind": "min" | "max_drop", "bound", "value", "ok",
#               "message"}]}
FIGURES = "figures.json"

# PushedModel: {"status": "pushed" | "already served" | "set aside" (it was rolled back from) |
#                         "rolled back" (it failed on the live server) | "not blessed", "name",
#               and unless not blessed: "version", "path", "digest";
#               pushed: "removed": versions; maybe "reason";
#               rolled back: "reason", "served": null | {"version", "path"}}
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
