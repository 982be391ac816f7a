"""Every figure of a classifier against scikit-learn and NumPy, of two, five and 200 classes."""

import numpy as np
import pytest
from sklearn import metrics as reference

from components.metrics.class_counts import Counter, Counts
from components.tasks import get_task
from serving.classes import Classes

NORMAL = 1.959964
SIZES = {2: 900, 5: 700, 200: 2000}  # Examples by number of classes
CONDENSED = {2: 30_000, 5: 31_000}  # so many that they are condensed time and again


def answers_of(classes, count, seed=1):
    """Labels and float32 probabilities of a model that is right in about half of them.

    The last class has no Example where there are more than two, and the first is never predicted
    where there are many.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes - (classes > 2), count)
    logits = rng.normal(0, 1.5, (count, classes))
    logits[np.arange(count), truth] += 2
    if classes > 5:
        logits[:, 0] -= 30
    scaled = np.exp(logits)
    return truth, (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)


def counted(counter, truth, answers, shares=3):
    """The arrays, merged from parts as Beam does."""
    parts = [Counts() for _ in range(shares)]
    for number, (label, answer) in enumerate(zip(truth, answers, strict=True)):
        counter.add(parts[number % shares], int(label), answer)
    return counter.arrays(counter.merge(parts))


def figures_of(classes, arrays, whole=True):
    part = get_task("image_classification").evaluation(Classes(tuple(map(str, range(classes)))))
    return {
        (metric, None if name is None else int(name)): (value, half)
        for metric, name, value, half in part.figures(arrays, whole=whole)
    }


@pytest.mark.parametrize(("classes", "count"), [*SIZES.items(), *CONDENSED.items()], ids=str)
def test_every_figure(classes, count):
    truth, answers = answers_of(classes, count)
    arrays = counted(Counter(classes), truth, answers)
    found = figures_of(classes, arrays)
    predicted, everything = answers.argmax(axis=1), list(range(classes))

    with np.errstate(invalid="ignore"):
        precision, recall, f1, support = reference.precision_recall_fscore_support(
            truth, predicted, labels=everything, zero_division=np.nan
        )
    for metric, values in (("precision", precision), ("recall", recall)):
        each = [np.nan if found[metric, c][0] is None else found[metric, c][0] for c in everything]
        np.testing.assert_allclose(each, values, rtol=1e-12)
    with_examples = np.flatnonzero(support)
    for c in everything:
        assert found["f1", c][0] == (pytest.approx(f1[c]) if support[c] else None)
    assert found["macro_f1", None][0] == pytest.approx(np.mean(f1[with_examples]), abs=1e-12)
    accuracy = np.mean(truth == predicted)
    half = NORMAL * np.sqrt(accuracy * (1 - accuracy) / count)
    assert found["accuracy", None] == pytest.approx((accuracy, half))
    bounded = np.clip(answers.astype(float), 1e-7, 1)
    losses = -np.log(bounded[np.arange(count), truth] / bounded.sum(axis=1))
    half = NORMAL * losses.std() / np.sqrt(count)
    assert found["cross_entropy", None] == pytest.approx((losses.mean(), half), rel=1e-5)
    areas = {
        c: reference.roc_auc_score(truth == c, answers[:, c]) if 0 < support[c] < count else None
        for c in everything
    }
    mean = np.mean([area for area in areas.values() if area is not None])
    # Scores between two thresholds count as equal: of 200 classes most lie near 0.
    assert found["auc", None][0] == pytest.approx(mean, abs=1e-4 if classes < 200 else 0.02)
    if classes > 2:
        assert found["auc", 1][0] == pytest.approx(areas[1], abs=1e-4 if classes < 200 else 0.02)
        assert found["auc", classes - 1] == (None, None)
        assert found["auc", None][1] is None
    ahead = (answers > answers[np.arange(count), truth][:, None]).sum(axis=1)
    top = found.get(("top_k_accuracy", None))
    assert top is None if classes <= 5 else top[0] == pytest.approx(np.mean(ahead < 5))
    assert ("roc" in arrays) == (classes == 2)
    numbers = [value for pair in found.values() for value in pair if value is not None]
    assert np.isfinite(numbers).all()


def test_slices_show_single_classes_of_two_only():
    for classes, count in SIZES.items():
        arrays = counted(Counter(classes), *answers_of(classes, count))
        single = {metric for metric, c in figures_of(classes, arrays, whole=False) if c is not None}
        assert single == ({"precision", "recall", "f1"} if classes == 2 else set())


def test_of_one_true_class_nothing_is_ranked():
    _, answers = answers_of(200, 50)
    arrays = counted(Counter(200), np.full(50, 7), answers)
    assert set(arrays) == {"confusion", "sums"}
    assert figures_of(200, arrays, whole=False)["auc", None] == (None, None)
    assert counted(Counter(200), [], []) == {}


def test_scores_beyond_probabilities():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 400)
    scores = rng.normal(truth, 0.6).astype(np.float32)
    assert np.mean((scores < 0) | (scores > 1)) > 0.3
    arrays = counted(Counter(2, "squared_error"), truth, scores[:, None])
    assert arrays["auc"][0, 0] == pytest.approx(reference.roc_auc_score(truth, scores), abs=2e-3)
    assert arrays["sums"][0] == pytest.approx(np.sum((scores.astype(float) - truth) ** 2))
    right = sum(count for true, said, count in arrays["confusion"].tolist() if true == said)
    assert right == np.sum((scores > 0.5) == truth)


def test_no_number_is_the_first_class_and_above_nothing():
    arrays = counted(Counter(2), [1, 0], np.array([[np.nan, np.nan], [0.1, 0.9]], np.float32))
    assert arrays["confusion"].tolist() == [[0, 1, 1], [1, 0, 1]]
    assert arrays["auc"][0, 0] == 0
