"""Thresholds alone: what is asked for, and the verdict on given figures."""

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


@pytest.mark.parametrize(
    ("task", "given", "messages"),
    [
        (
            "image_segmentation",
            {"thresholds": {"accuracy": {"min": 0.5}}, "slices": ["image/label_name"]},
            [
                "evaluator.thresholds.accuracy: expected a metric of image_segmentation: mean_iou",
                "evaluator.slices: expected keys of image_segmentation: image/orientation, found",
            ],
        ),
        (
            "points",
            {
                "thresholds": {"own": {"min": 0.5}},
                "slice_thresholds": {"f1": {"min": 0.5}},
                "slices": ["point/label_name"],
                "metrics": {"own": "a.b:C", "auc": {"path": "a.b:D", "args": {"k": 3}}},
            },
            ["evaluator.slice_thresholds.f1: expected", "evaluator.metrics.auc: expected a name"],
        ),
    ],
)
def test_what_makes_no_sense_for_a_task(task, given, messages):
    found = [str(mistake) for mistake in config(**given).task_mistakes(get_task(task))]
    assert len(found) == len(messages)
    for line, start in zip(found, messages, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"thresholds": {"accuracy": {}}},
            r"evaluator\.thresholds\.accuracy: expected min, max_drop or both",
        ),
        (
            {"slice_thresholds": {"accuracy": {"min": 0.5}}},
            r"evaluator\.slice_thresholds: expected evaluator\.slices",
        ),
        (
            {"thresholds": {"accuracy": {"max_drop": 0.5, "judge": "lower"}}},
            r"evaluator\.thresholds\.accuracy\.judge: expected a min",
        ),
        (
            {
                "thresholds": {"accuracy": {"min": 0.5, "judge": "lower"}},
                "confidence_intervals": False,
            },
            r"evaluator\.thresholds\.accuracy\.judge: expected evaluator\.confidence_intervals: tr",
        ),
        ({"metrics": {"own": "nothing"}}, r"evaluator\.metrics\.own: expected .*found 'nothing'"),
    ],
)
def test_a_threshold_that_could_never_be_checked_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        config(**given)
