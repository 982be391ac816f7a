import numpy as np
import pytest

from components.evaluator.executor import read_checks
from components.evaluator.settings import EvaluatorConfig
from components.tasks import get_task


def config(**given):
    return EvaluatorConfig.model_validate({"thresholds": {}, **given})


def accuracy(value, baseline=None):
    named = {"metric": "accuracy", "class": None, "slice": "overall"}
    return {**named, "value": value, "baseline": baseline}


@pytest.mark.parametrize(
    ("bounds", "value", "baseline", "blessed"),
    [
        ({"min": 0.7}, float(np.float32(70) / np.float32(100)), None, True),  # 0.699999988
        ({"min": 0.7}, 0.69, None, False),
        ({"min": 0.0}, None, None, False),  # no number is no pass
        ({"max_drop": 0.05}, 0.85, 0.9, True),  # 0.85 - 0.9 is a little less than -0.05
        ({"max_drop": 0.05}, 0.84, 0.9, False),
        ({"max_drop": 0.0}, 0.9, 0.9, True),
        ({"max_drop": 0.0}, 0.89, 0.9, False),
        ({"max_drop": 0.0}, 0.95, 0.9, True),
        ({"max_drop": 1.0}, None, 0.9, False),
    ],
)
def test_verdict_at_the_bounds(bounds, value, baseline, blessed):
    found, checks = read_checks(
        config(thresholds={"accuracy": bounds}),
        [accuracy(value, baseline)],
        has_baseline=baseline is not None,
    )
    assert found is blessed
    assert len(checks) == 1


@pytest.mark.parametrize(("lower", "blessed"), [(0.71, True), (0.69, False), (None, False)])
def test_the_lower_end_may_be_judged(lower, blessed):
    asked = config(thresholds={"accuracy": {"min": 0.7, "max_drop": 0.0, "judge": "lower"}})
    given = [accuracy(0.8, 0.8) | {"lower": lower}]
    found, (least, drop) = read_checks(asked, given, has_baseline=True)
    assert found is blessed
    shown = "no number" if lower is None else f"{lower:.4f}"
    start = f"lower end of 95% interval of accuracy is {shown}, at least 0.7 needed"
    assert (least["value"], least["message"]) == (lower, start)
    assert (drop["ok"], drop["value"]) == (True, 0.8)  # of the value
    assert read_checks(asked, [], has_baseline=False)[0] is False


def test_no_threshold_no_blessing():
    assert read_checks(config(), [accuracy(1.0)], has_baseline=False) == (False, [])


CLASSES, MASKS = "image_classification", "image_segmentation"
ACCURATE = {"thresholds": {"accuracy": {"min": 0.5}}}
BY_LABEL = {"thresholds": {"mean_iou": {"min": 0.5}}, "slices": ["image/label_name"]}
MOSAIC = {"thresholds": {"explanation/mosaic": {"min": 0.5}}}
MOSAICS = {"thresholds": {"explanation/mosaics": {"min": 0.5}}, "graded_images": 9}
OWN = {"thresholds": {"own": {"min": 0.5}}, "metrics": {"own": {"path": "a.b:C", "args": {"k": 3}}}}
OWN |= {"slices": ["point/label_name"]}
SLICED_F1 = {"slice_thresholds": {"f1": {"min": 0.5}}}
TAKEN = {"metrics": {"own": "a.b:C", "auc": "a.b:D"}}


@pytest.mark.parametrize(
    ("task", "given", "line"),
    [
        (MASKS, ACCURATE, "thresholds.accuracy: expected a metric of image_segmentation: mean_iou"),
        (MASKS, BY_LABEL, "slices: expected keys of image_segmentation: image/orientation, found"),
        ("points", OWN | SLICED_F1, "slice_thresholds.f1: expected"),
        ("points", OWN | TAKEN, "metrics.auc: expected a name"),
        (CLASSES, MOSAICS, "thresholds.explanation/mosaics: expected a metric of image_classific"),
        (CLASSES, MOSAIC, "thresholds.explanation/mosaic: expected evaluator.graded_images above"),
        (
            "points",
            ACCURATE | {"graded_images": 9},
            "graded_images: expected 0: explanations of",
        ),
    ],
)
def test_what_makes_no_sense_for_a_task(task, given, line):
    (found,) = config(**given).task_mistakes(get_task(task))
    assert str(found).startswith(f"evaluator.{line}")


def test_all_that_makes_no_sense_is_told_at_once():
    given = config(**OWN | SLICED_F1 | TAKEN)
    assert len(list(given.task_mistakes(get_task("points")))) == 2


LOWER = {"min": 0.5, "judge": "lower"}
NONE = {"confidence_intervals": False}
SLICED = {"slice_thresholds": {"accuracy": {"min": 0.5}}}
UNKNOWN = {"metrics": {"own": "nothing"}}


@pytest.mark.parametrize(
    ("bounds", "more", "line"),
    [
        ({}, {}, r"thresholds\.accuracy: expected min, max_drop or both"),
        ({"max_drop": 0.5, "judge": "lower"}, {}, r"thresholds\.accuracy\.judge: expected a min"),
        (LOWER, NONE, r"thresholds\.accuracy\.judge: expected evaluator\.confidence_intervals: tr"),
        ({"min": 0.5}, SLICED, r"slice_thresholds: expected evaluator\.slices"),
        ({"min": 0.5}, UNKNOWN, r"metrics\.own: expected .*found 'nothing'"),
    ],
)
def test_a_threshold_that_could_never_be_checked_is_refused(bounds, more, line):
    with pytest.raises(ValueError, match=rf"evaluator\.{line}"):
        config(thresholds={"accuracy": bounds}, **more)
