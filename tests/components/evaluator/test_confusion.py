"""Counts by class and curves from counts, against NumPy on the raw scores."""

import numpy as np
import pytest
from tensorflow_model_analysis.metrics import metric_types

from components.evaluator.confusion import class_ious, confusion_at, count_pairs, roc_curve
from components.evaluator.eval_config import ROC_PROBABILITIES, ROC_SCORES
from components.evaluator.score_counts import ScoreCounts
from components.evaluator.segmentation_metrics import MeanIoU, PixelAccuracy

THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 1.0)


def combined(scores, labels, thresholds, parts=3):
    """What the metric counts, merged from parts as Beam does."""
    (computation,) = ScoreCounts(list(thresholds)).computations()
    combiner = computation.combiner
    accumulators = [combiner.create_accumulator() for _ in range(parts)]
    for number, (score, label) in enumerate(zip(scores, labels, strict=True)):
        element = metric_types.StandardMetricInputs(
            labels=np.array([label]), predictions=np.array([score], np.float32)
        )
        part = number % parts
        accumulators[part] = combiner.add_input(accumulators[part], element)
    (value,) = combiner.extract_output(combiner.merge_accumulators(accumulators)).values()
    return value


@pytest.fixture(scope="module")
def scored():
    """Scores in eighths, some of them on thresholds and at both ends."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 200)
    scores = np.clip(np.round(rng.normal(0.4 + 0.25 * labels, 0.3) * 8) / 8, 0, 1)
    assert {0.0, 0.5, 1.0} <= set(scores)
    return scores, labels


def test_score_counts_equal_a_plain_count(scored):
    scores, labels = scored
    counts = combined(scores, labels, THRESHOLDS)
    assert counts.shape == (2, 6)
    for true in (0, 1):
        for number in range(6):
            above = np.sum(scores[:, None] > np.array(THRESHOLDS), axis=1)
            assert counts[true, number] == np.sum((labels == true) & (above == number))


def test_confusion_and_curve_from_counts(scored):
    scores, labels = scored
    counts = combined(scores, labels, THRESHOLDS)
    for decision in (0.25, 0.5):
        np.testing.assert_array_equal(
            confusion_at(counts, THRESHOLDS, decision),
            count_pairs(labels, scores > decision, 2),
        )
    curve = roc_curve(counts, THRESHOLDS)
    assert [point["threshold"] for point in curve] == list(reversed(THRESHOLDS))
    for point in curve[:-1]:
        above = scores > point["threshold"]
        assert point["recall"] == pytest.approx(np.mean(above[labels == 1]))
        assert point["false_positive_rate"] == pytest.approx(np.mean(above[labels == 0]))
    # Scores on the lowest threshold count as above it.
    assert curve[-1] == {"threshold": 0.0, "false_positive_rate": 1.0, "recall": 1.0}


def test_thresholds_that_change_nothing_are_left_out():
    counts = combined([0.1, 0.9, 0.9], [0, 1, 1], THRESHOLDS)
    assert roc_curve(counts, THRESHOLDS) == [
        {"threshold": 1.0, "false_positive_rate": 0.0, "recall": 0.0},
        {"threshold": 0.75, "false_positive_rate": 0.0, "recall": 1.0},
        {"threshold": 0.0, "false_positive_rate": 1.0, "recall": 1.0},
    ]


def test_no_curve_without_both_classes():
    assert roc_curve(combined([0.1, 0.9], [1, 1], THRESHOLDS), THRESHOLDS) is None
    assert roc_curve(combined([], [], THRESHOLDS), THRESHOLDS) is None


def test_no_number_is_above_nothing():
    counts = combined([np.nan, 0.9], [1, 0], THRESHOLDS)
    assert confusion_at(counts, THRESHOLDS, 0.5).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("thresholds", [ROC_PROBABILITIES, ROC_SCORES])
def test_thresholds_of_the_curves(thresholds):
    assert np.all(np.diff(thresholds) > 0)
    assert np.all(np.isfinite(thresholds))
    assert 0.5 in thresholds
    assert len(thresholds) <= 103


def test_pairs_are_counted_with_rows_true():
    truth, predicted = np.array([[0, 0, 2], [1, 2, 2]]), np.array([[0, 1, 2], [1, 0, 0]])
    assert count_pairs(truth.astype(np.uint8), predicted, 3).tolist() == [
        [1, 1, 0],
        [0, 1, 0],
        [2, 0, 1],
    ]


@pytest.mark.parametrize("present", [[0, 1, 2], [0, 1], [2], [1, 2]])
def test_class_ious_match_a_plain_count(present):
    rng = np.random.default_rng(len(present))
    truth = rng.choice(present, (13, 17)).astype(np.uint8)
    predicted = rng.choice(present, (13, 17)).astype(np.uint8)
    expected = []
    for number in range(3):
        either = np.sum((truth == number) | (predicted == number))
        both = np.sum((truth == number) & (predicted == number))
        expected.append(both / either if either else np.nan)
    np.testing.assert_allclose(class_ious(count_pairs(truth, predicted, 3)), expected, rtol=1e-12)


def test_class_ious_of_many_pixels_do_not_overflow():
    mask = np.full((300, 300), 2, np.uint8)
    np.testing.assert_array_equal(class_ious(count_pairs(mask, mask, 3)), [np.nan, np.nan, 1.0])


def test_measures_of_pixels():
    counts = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    np.testing.assert_allclose(class_ious(counts), [6 / 9, 3 / 6, np.nan])
    arguments = {"classes": 3, "ground_truth_key": "t", "prediction_key": "p"}
    mean = MeanIoU(**arguments, name="mean_iou")._values(counts)
    assert mean == {None: pytest.approx((6 / 9 + 3 / 6) / 2)}
    assert PixelAccuracy(**arguments, name="a")._values(counts) == {None: pytest.approx(9 / 12)}
    for metric in (MeanIoU, PixelAccuracy):  # of a resample without pictures
        assert np.isnan(metric(**arguments, name="m")._values(np.zeros((3, 3), int))[None])
