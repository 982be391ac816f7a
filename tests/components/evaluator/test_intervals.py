"""Intervals from sums, against a bootstrap of the examples themselves."""

import numpy as np
import pytest

from components.evaluator import intervals
from components.evaluator.confusion import class_ious
from components.evaluator.eval_config import ROC_PROBABILITIES, ROC_SCORES

RESAMPLINGS = 1000


def bootstrap(measure, *columns):
    """1.96 standard deviations of a measure of resampled rows."""
    rng = np.random.default_rng(4)
    count = len(columns[0])
    values = []
    for _ in range(RESAMPLINGS):
        rows = np.repeat(np.arange(count), rng.poisson(1.0, count))
        values.append(measure(*(column[rows] for column in columns)))
    return 1.959964 * np.std(values)


def count(scores, labels, thresholds):
    above = np.sum(scores[:, None] > np.array(thresholds), axis=1)
    counts = np.zeros((2, len(thresholds) + 1), np.int64)
    np.add.at(counts, (labels, above), 1)
    return counts


def auc(scores, labels):
    ones, zeros = scores[labels == 1, None], scores[None, labels == 0]
    return np.mean(ones > zeros) + np.mean(ones == zeros) / 2


MEASURES = {
    ("accuracy", None): lambda s, y: np.mean((s > 0.5) == y),
    ("precision", 0): lambda s, y: np.mean(y[s <= 0.5] == 0),
    ("precision", 1): lambda s, y: np.mean(y[s > 0.5] == 1),
    ("precision", None): lambda s, y: np.mean(y[s > 0.5] == 1),
    ("recall", 0): lambda s, y: np.mean(s[y == 0] <= 0.5),
    ("recall", 1): lambda s, y: np.mean(s[y == 1] > 0.5),
    ("auc", None): auc,
}
LOSSES = {
    ("cross_entropy", None): lambda s, y: -np.mean(np.log(np.where(y == 1, s, 1 - s))),
    ("squared_error", None): lambda s, y: np.mean((s - y) ** 2),
}


@pytest.fixture(scope="module")
def scored():
    """Probabilities of a model that is right in about 6 of 7, and the labels; a third are 1."""
    rng = np.random.default_rng(3)
    labels = (np.arange(300) % 3 == 0).astype(int)
    return 1 / (1 + np.exp(-rng.normal(4 * labels - 2, 2))), labels


@pytest.mark.parametrize("key", [*MEASURES, *LOSSES])
def test_intervals_of_probabilities_are_those_of_a_bootstrap(scored, key):
    counts = count(*scored, ROC_PROBABILITIES)
    figure = intervals.score_figures(ROC_PROBABILITIES, 0.5)[key]
    measure = (MEASURES | LOSSES)[key]
    assert figure(counts) == pytest.approx(measure(*scored), abs=5e-3)
    half = intervals.half_width(figure, counts, np.diag(counts.ravel()))
    assert half == pytest.approx(bootstrap(measure, *scored), rel=0.08)


@pytest.mark.parametrize("key", [("squared_error", None), ("auc", None), ("recall", None)])
def test_intervals_of_scores_beyond_probabilities(key):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 400)
    scores = rng.normal(labels, 0.6)
    assert np.mean((scores < 0) | (scores > 1)) > 0.3
    counts = count(scores, labels, ROC_SCORES)
    figure = intervals.score_figures(ROC_SCORES, 0.5)[key]
    half = intervals.half_width(figure, counts, np.diag(counts.ravel()))
    measure = LOSSES.get(key) or MEASURES.get(key) or MEASURES["recall", 1]
    assert half == pytest.approx(bootstrap(measure, scores, labels), rel=0.08)


def test_accuracy_is_binomial(scored):
    counts = count(*scored, ROC_PROBABILITIES)
    figure = intervals.score_figures(ROC_PROBABILITIES, 0.5)["accuracy", None]
    share = figure(counts)
    half = intervals.half_width(figure, counts, np.diag(counts.ravel()))
    assert half == pytest.approx(1.959964 * np.sqrt(share * (1 - share) / 300), rel=1e-6)


def test_what_has_no_number_has_no_interval(scored):
    counts = count(np.full(8, 0.2), np.zeros(8, int), ROC_PROBABILITIES)
    figures = intervals.score_figures(ROC_PROBABILITIES, 0.5)
    products = np.diag(counts.ravel())
    assert intervals.half_width(figures["precision", 1], counts, products) is None
    assert intervals.half_width(figures["auc", None], counts, products) is None
    assert intervals.half_width(figures["recall", 0], counts, products) == 0


@pytest.fixture(scope="module")
def pictures():
    """Pixels by true and predicted class of 200 pictures [200, 3, 3]; each has a skill of its own,
    and in some the third class is missing."""
    rng = np.random.default_rng(6)
    made = []
    for number in range(200):
        skill = rng.uniform(0.4, 0.95)
        shares = np.array([0.3, 0.6, 0.1 * (number % 4 > 0)])
        confusion = skill * np.eye(3) + (1 - skill) / 3
        made.append(rng.multinomial(1000, (shares[:, None] * confusion / shares.sum()).ravel()))
    return np.reshape(made, (200, 3, 3))


@pytest.mark.parametrize(
    ("key", "measure"),
    [
        (("pixel_accuracy", None), lambda c: np.trace(c.sum(0)) / c.sum()),
        (("mean_iou", None), lambda c: np.mean(class_ious(c.sum(0)))),
        (("iou", 2), lambda c: class_ious(c.sum(0))[2]),
    ],
)
def test_intervals_of_pixels_are_those_of_a_bootstrap_of_pictures(pictures, key, measure):
    rows = pictures.reshape(200, 9).astype(float)
    figure = intervals.pixel_figures(3)[key]
    sums = pictures.sum(axis=0)
    assert figure(sums) == pytest.approx(measure(pictures))
    half = intervals.half_width(figure, sums, rows.T @ rows)
    assert half == pytest.approx(bootstrap(measure, pictures), rel=0.08)
    # Pixels of one picture go together: far more than 200,000 independent ones would vary.
    assert half > 3 * intervals.half_width(figure, sums, np.diag(sums.ravel()))
