"""Thresholds alone: what is asked for, and the verdict on given figures."""

import numpy as np
import pytest

from serving.errors import InputError


def _config(problem="classification", **given):
    from components.evaluator.eval_config import make_eval_config

    options = {
        "thresholds": {},
        "slice_thresholds": {},
        "slices": [],
        "min_slice_size": 1,
        "confidence_intervals": False,
    }
    return make_eval_config(problem, **{**options, **given})


def _accuracy(value, baseline=None):
    return {
        "metric": "accuracy",
        "class": None,
        "slice": "overall",
        "examples": 100,
        "value": value,
        "lower": None,
        "upper": None,
        "baseline": baseline,
    }


def _verdict(bounds, value, baseline=None):
    from components.evaluator.figures import read_checks

    blessed, checks = read_checks(
        _config(thresholds={"accuracy": bounds}),
        [_accuracy(value, baseline)],
        has_baseline=baseline is not None,
    )
    assert len(checks) == 1
    return blessed


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
    assert _verdict(bounds, value, baseline) is blessed


def test_no_threshold_no_blessing():
    from components.evaluator.figures import read_checks

    assert read_checks(_config(), [_accuracy(1.0)], has_baseline=False) == (False, [])


@pytest.mark.parametrize(
    ("problem", "given", "message"),
    [
        (
            "classification",
            {"thresholds": {"acuracy": {"min": 0.5}}},
            r"evaluator\.thresholds\.acuracy: expected a metric of classification: accuracy, auc,",
        ),
        (
            "segmentation",
            {"thresholds": {"accuracy": {"min": 0.5}}},
            r"evaluator\.thresholds\.accuracy: expected a metric of segmentation: mean_iou",
        ),
        (
            "classification",
            {"slice_thresholds": {"f1": {"min": 0.5}}, "slices": ["image/orientation"]},
            r"evaluator\.slice_thresholds\.f1",
        ),
        (
            "classification",
            {"thresholds": {"accuracy": {"min": None, "max_drop": None}}},
            r"evaluator\.thresholds\.accuracy: expected min, max_drop or both",
        ),
        (
            "classification",
            {"slice_thresholds": {"accuracy": {"min": 0.5}}},
            r"evaluator\.slice_thresholds: expected evaluator\.slices",
        ),
    ],
)
def test_a_threshold_that_could_never_be_checked_is_refused(problem, given, message):
    with pytest.raises(InputError, match=message):
        _config(problem, **given)
