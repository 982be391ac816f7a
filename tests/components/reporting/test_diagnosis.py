"""Calibration, curves and confident learning against their definitions, written out in loops."""

import math

import numpy as np
import pytest

from components.reporting import diagnosis
from components.reporting.diagnosis import calibration, calibration_error, curves, suspects


def drawn(seed, n=300, classes=4, absent=()):
    """Labels, none of an absent class, and probabilities in tenths (ties) that know them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([at for at in range(classes) if at not in absent], n)
    tenths = rng.multinomial(8, [1 / classes] * classes, n)
    tenths[np.arange(n), truth] += 2
    return truth, tenths / 10


def by_definition(truth, probabilities):
    """The confident joint's off-diagonal, by normalised margin: [(row, suggested)]."""
    classes = probabilities.shape[1]
    of = [probabilities[truth == j, j] for j in range(classes)]
    found = []
    for row, (label, p) in enumerate(zip(truth, probabilities, strict=True)):
        over = [j for j in range(classes) if len(of[j]) and p[j] >= of[j].mean() - 1e-9]
        if over and max(over, key=lambda j: p[j]) != label and max(np.delete(p, label)) > p[label]:
            margin = p[label] - max(np.delete(p, label))
            found.append((margin, row, max(over, key=lambda j: p[j])))
    return [(row, suggested) for _, row, suggested in sorted(found)]


@pytest.mark.parametrize(
    ("classes", "absent"), [(2, ()), (4, ()), (4, (1, 2)), (3, (0, 2)), (2, (1,))]
)
def test_doubted_labels_are_the_confident_joint_s_off_diagonal(classes, absent):
    truth, probabilities = drawn(classes, classes=classes, absent=absent)
    found = suspects(truth, probabilities)
    assert found == by_definition(truth, probabilities)
    assert bool(found) == (classes - len(absent) > 1)


def test_swapped_labels_are_found_and_ranked():
    # Class 0 is told less surely than class 1, so 0.6 of it is much and 0.75 of class 1 is little.
    rows = [(0, 0.6), (0, 0.5), (0, 0.7), (1, 0.1), (1, 0.05), (0, 0.02), (1, 0.95), (0, 0.25)]
    truth = np.array([label for label, _ in rows])
    probabilities = np.array([(p, 1 - p) for _, p in rows])
    # The thresholds are 0.414 and 0.633; the last one is doubted, too, but least of all.
    assert suspects(truth, probabilities) == [(5, 1), (6, 0), (7, 1)]


def test_equal_probabilities_and_nothing_are_not_doubted():
    truth = np.array([0, 0, 0, 1, 1, 1])
    assert suspects(truth, np.full((6, 2), 0.5)) == []
    assert suspects(np.zeros(0, int), np.zeros((0, 3))) == []
    assert suspects(np.zeros(5, int), np.ones((5, 1))) == []


def test_calibration_is_guo_s():
    truth, probabilities = drawn(7)
    probabilities[:2] = [(1, 0, 0, 0), (0.6, 0.4, 0, 0)]  # the last bin's end; an inner edge
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    expected, error = [], 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        size = int(inside.sum())
        means = (confidence[inside].mean(), right[inside].mean()) if size else (0.0, 0.0)
        expected.append((size, *means))
        error += size / len(truth) * abs(means[1] - means[0])
    bins = calibration(truth, probabilities)
    np.testing.assert_allclose(np.array(bins), np.array(expected), atol=1e-12)
    assert calibration_error(bins) == pytest.approx(error)
    assert math.isnan(calibration_error(calibration(np.zeros(0, int), np.zeros((0, 2)))))


def test_curves_of_a_class_against_the_rest():
    truth, probabilities = drawn(3, n=2000, absent=(2,))
    probabilities += np.random.default_rng(0).uniform(0, 1e-3, probabilities.shape)  # many points
    probabilities[:500] = probabilities[:500].round(1)  # and ties
    found = curves(truth, probabilities, "abcd")
    assert [curve.name for curve in found] == ["a", "b", "d"]
    for curve in found:
        at = "abcd".index(curve.name)
        score, positive = probabilities[:, at], truth == at
        pairs = score[positive][:, None] - score[~positive]
        assert curve.auc == pytest.approx(np.mean((pairs > 0) + (pairs == 0) / 2))
        average, before = 0.0, 0.0
        for threshold in sorted(set(score), reverse=True):
            taken = score >= threshold
            recall = positive[taken].sum() / positive.sum()
            average, before = average + (recall - before) * positive[taken].mean(), recall
        assert curve.precision == pytest.approx(average)
        assert (curve.roc[0], curve.roc[-1]) == ((0, 0), (1, 1))
        assert curve.recalled[0] == pytest.approx((1, positive.mean()))
        assert len(curve.roc) <= len(curve.recalled) == 100
        assert np.trapezoid(*np.array(curve.roc).T[::-1]) == pytest.approx(curve.auc, abs=0.01)
    assert curves(np.zeros(9, int), probabilities[:9], "abcd") == []


def test_of_many_classes_the_worst_are_drawn_in_their_order():
    truth, probabilities = drawn(5, classes=12, absent=(4,))
    names = [f"c{at}" for at in range(12)]
    answers = diagnosis.Answers([""] * 300, [""] * 300, truth, probabilities)
    told = diagnosis.diagnosis(answers, names)
    worst = sorted(curves(truth, probabilities, names), key=lambda curve: curve.precision)[:8]
    assert told["curves"] == sorted(worst, key=lambda curve: names.index(curve.name))
    assert (told["measured"], told["absent"]) == (11, ["c4"])
    assert told["accuracy"] == pytest.approx(np.mean(probabilities.argmax(axis=1) == truth))
