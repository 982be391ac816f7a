"""Intervals from sums, against a bootstrap of the examples themselves."""

import numpy as np
import pytest
from scipy.stats import binomtest

from components.metrics import intervals
from components.metrics.class_counts import Counter, Counts
from components.metrics.confusion import class_ious
from components.tasks import get_task
from serving.classes import Classes

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


def auc(answers, labels):
    ones, zeros = answers[labels == 1, 1, None], answers[None, labels == 0, 1]
    return np.mean(ones > zeros) + np.mean(ones == zeros) / 2


def f1(said, labels, c):
    return 2 * np.sum((said == c) & (labels == c)) / (np.sum(said == c) + np.sum(labels == c))


def macro_f1(answers, labels):
    return np.mean([f1(answers.argmax(1), labels, c) for c in range(answers.shape[1])])


MEASURES = {
    ("accuracy", None): lambda a, y: np.mean(a.argmax(1) == y),
    ("precision", 0): lambda a, y: np.mean(y[a.argmax(1) == 0] == 0),
    ("recall", 1): lambda a, y: np.mean(a[y == 1].argmax(1) == 1),
    ("f1", 1): lambda a, y: f1(a.argmax(1), y, 1),
    ("macro_f1", None): macro_f1,
    ("cross_entropy", None): lambda a, y: -np.mean(np.log(a[np.arange(len(y)), y])),
}


def answers_of(classes):
    """Probabilities of a model that is right in about 6 of 7, and the labels."""
    rng = np.random.default_rng(3)
    labels = (np.arange(400) % (classes + 1)) % classes
    logits = rng.normal(0, 1.4, (400, classes))
    logits[np.arange(400), labels] += 2.5
    scaled = np.exp(logits)
    return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 5])
def test_intervals_of_a_classifier_are_those_of_a_bootstrap(classes):
    answers, labels = answers_of(classes)
    counter, counts = Counter(classes), Counts()
    for label, answer in zip(labels, answers, strict=True):
        counter.add(counts, int(label), answer)
    part = get_task("image_classification").evaluation(Classes(tuple("01234"[:classes])))
    found = {
        (metric, None if name is None else int(name)): (value, half)
        for metric, name, value, half in part.figures(counter.arrays(counts), whole=True)
    }
    for key, measure in (MEASURES | ({("auc", None): auc} if classes == 2 else {})).items():
        value, half = found[key]
        assert value == pytest.approx(measure(answers, labels), abs=1e-3)
        assert half == pytest.approx(bootstrap(measure, answers, labels), rel=0.08)


def test_what_has_no_number_has_no_interval():
    assert intervals.of_share(0.0, 0) is None
    assert intervals.half_width(float("nan")) is None


@pytest.mark.parametrize(("hits", "count"), [(4, 4), (0, 20), (20, 20), (2000, 2000)])
def test_a_share_has_an_interval_where_all_are_alike(hits, count):
    wilson = binomtest(hits, count).proportion_ci(method="wilson")
    half = intervals.of_share(hits / count, count)
    low, high = max(hits / count - half, 0.0), min(hits / count + half, 1.0)
    assert (low, high) == pytest.approx(tuple(wilson), abs=0.2 / count**0.5)
    assert half > 0


def test_intervals_of_pixels_are_those_of_a_bootstrap_of_images():
    """Each image has a skill of its own, and in some the third class is missing."""
    rng = np.random.default_rng(6)
    made = []
    for number in range(200):
        skill = rng.uniform(0.4, 0.95)
        shares = np.array([0.3, 0.6, 0.1 * (number % 4 > 0)])
        confusion = skill * np.eye(3) + (1 - skill) / 3
        made.append(rng.multinomial(1000, (shares[:, None] * confusion / shares.sum()).ravel()))
    images = np.reshape(made, (200, 3, 3))
    rows = np.concatenate(
        [np.einsum("icc->ic", images), images.sum(axis=2), images.sum(axis=1)], axis=1
    ).astype(float)
    found = intervals.pixel_variances(images.sum(axis=0), rows.T @ rows)
    for variance, measure in (
        (found[0], lambda c: np.trace(c.sum(0)) / c.sum()),
        (found[1], lambda c: np.mean(class_ious(c.sum(0)))),
        (found[2][2], lambda c: class_ious(c.sum(0))[2]),
    ):
        half = intervals.half_width(variance)
        assert half == pytest.approx(bootstrap(measure, images), rel=0.08)
    accuracy = np.trace(images.sum(0)) / images.sum()
    # Pixels of one image go together: far more than 200,000 independent ones would vary.
    assert intervals.half_width(found[0]) > 3 * intervals.of_share(accuracy, images.sum())
