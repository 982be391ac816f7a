import numpy as np
import pytest

from components.metrics import confusion
from components.metrics.confusion import GRIDS

THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 1.0)


def counts_of(scores, labels):
    above = np.sum(np.asarray(scores)[:, None] > np.array(THRESHOLDS), axis=1)
    counts = np.zeros((2, len(THRESHOLDS) + 1), np.int64)
    np.add.at(counts, (labels, above), 1)
    return counts


def test_thresholds_that_change_nothing_are_left_out():
    # Scores on the lowest threshold count as above it.
    assert confusion.roc_curve(counts_of([0.0, 0.9, 0.9], [0, 1, 1]), THRESHOLDS) == [
        {"threshold": 1.0, "false_positive_rate": 0.0, "recall": 0.0},
        {"threshold": 0.75, "false_positive_rate": 0.0, "recall": 1.0},
        {"threshold": 0.0, "false_positive_rate": 1.0, "recall": 1.0},
    ]
    # Without both classes there is no curve.
    assert confusion.roc_curve(counts_of([0.1, 0.9], [1, 1]), THRESHOLDS) is None


@pytest.mark.parametrize("name", list(GRIDS))
def test_thresholds_of_the_grids(name):
    for thresholds in (GRIDS[name].auc, GRIDS[name].roc):
        assert np.all(np.diff(thresholds) > 0)
        assert np.all(np.isfinite(thresholds))
    assert 0.5 in GRIDS[name].roc
    assert len(GRIDS[name].roc) <= 103


def test_pairs_are_counted_with_rows_true_and_ignored_ones_nowhere():
    truth = np.array([[0, 0, 2, 255], [1, 2, 2, 255]], np.uint8)
    counts = confusion.count_pairs(truth, np.array([[0, 1, 2, 0], [1, 0, 0, 2]]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [2, 0, 1]]
    triples = confusion.to_triples(counts)
    assert triples.tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 1], [2, 0, 2], [2, 2, 1]]
    np.testing.assert_array_equal(confusion.from_triples(triples, 3), counts)
    assert confusion.top_confusions(counts, "abc") == [
        {"true": "c", "predicted": "a", "count": 2},
        {"true": "a", "predicted": "b", "count": 1},
    ]
    listed = confusion.top_confusions(np.arange(100).reshape(10, 10), "abcdefghij")
    assert len(listed) == 50
    assert listed[0] == {"true": "j", "predicted": "i", "count": 98}


def test_of_nothing_there_is_no_measure():
    nothing = np.zeros((3, 3), np.int64)
    assert np.isnan([confusion.accuracy(nothing), confusion.mean_iou(nothing)]).all()
