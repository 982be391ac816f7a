"""The evaluator on models of points: every figure against NumPy, also of scores beyond [0, 1]."""

import numpy as np
import pytest

from components import features as f
from serving import names
from serving.classes import Classes

COUNT = 90
CLASSES = Classes(("negative", "positive"))


@pytest.fixture(scope="module")
def points():
    """Labels, a third of them 1, and scores by model: most of the weak one's no probabilities."""
    rng = np.random.default_rng(8)
    labels = (np.arange(COUNT) % 3 == 0).astype(int)
    scores = {
        "good": 0.6 * labels + rng.normal(0.15, 0.3, COUNT),
        "weak": labels + rng.normal(-0.2, 1.5, COUNT),
    }
    assert np.mean((scores["weak"] < 0) | (scores["weak"] > 1)) > 0.5
    return labels, {name: values.astype(np.float32) for name, values in scores.items()}


def reference(points, name):
    """Every figure on the whole split."""
    label, score = points[0], points[1][name].astype(float)
    predicted = score > 0.5
    one, zero = score[label == 1], score[label == 0]
    return {
        "accuracy": np.mean(predicted == label),
        "precision": np.sum(predicted & (label == 1)) / np.sum(predicted),
        "recall": np.mean(predicted[label == 1]),
        "squared_error": np.mean((score - label) ** 2),
        "auc": np.mean(one[:, None] > zero[None, :]),
    }


@pytest.fixture(scope="module")
def compared(points, evaluate, write_examples, write_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    labels, scores = points
    examples = [
        {
            f.POINT_KEY: f"{n:064x}".encode(),
            f.POINT_LABEL: int(label),
            f.POINT_LABEL_NAME: CLASSES.names[label].encode(),
            **{name: [float(values[n])] for name, values in scores.items()},
        }
        for n, label in enumerate(labels)
    ]
    weak, good = (
        # Models of before do not say their classes.
        write_model(folder / name, names.OUTPUT_SCORE, name, [], classes, ["0" * 64])
        for name, classes in (("weak", CLASSES), ("good", None))
    )
    return evaluate(
        "points",
        write_examples(folder / "examples", {"test": examples}, CLASSES, shards=2),
        weak,
        good,
        thresholds={"accuracy": {"min": 0.1, "max_drop": 0.01}, "auc": {"min": 0.1}},
        slices=[f.POINT_LABEL_NAME],
        confidence_intervals=True,
    )


def test_figures_of_both_models_equal_numpy(compared, points):
    overall = {x["metric"]: x for x in compared.result["figures"] if x["slice"] == "overall"}
    weak, good = reference(points, "weak"), reference(points, "good")
    assert set(overall) == set(weak)
    for metric, figure in overall.items():
        tolerance = 2e-3 if metric == "auc" else 1e-6
        assert figure["class"] is None
        assert figure["examples"] == COUNT
        assert figure["value"] == pytest.approx(weak[metric], abs=tolerance)
        assert figure["baseline"] == pytest.approx(good[metric], abs=tolerance)
        assert figure["lower"] < figure["value"] < figure["upper"]
    # Scores that are no probabilities; see metrics/test_intervals.py for the others.
    half = 1.959964 * np.std((points[1]["weak"] - points[0]) ** 2) / np.sqrt(COUNT)
    error = overall["squared_error"]
    assert error["upper"] - error["value"] == pytest.approx(half, rel=1e-6)


def test_confusion_and_curve_equal_numpy(compared, points):
    label, score = points[0], points[1]["weak"]
    rows = [[int(np.sum((label == t) & ((score > 0.5) == p))) for p in (0, 1)] for t in (0, 1)]
    assert compared.result["confusion"] == {"classes": list(CLASSES.names), "rows": rows}
    curve = compared.result["roc"]
    assert 20 < len(curve) <= 103
    assert min(point["threshold"] for point in curve[1:-1]) < 0  # scores are no probabilities
    assert np.isfinite([point["threshold"] for point in curve]).all()
    middle = curve[len(curve) // 2]
    above = score > middle["threshold"]
    rates = [np.mean(above[label == value]) for value in (1, 0)]
    assert [middle["recall"], middle["false_positive_rate"]] == pytest.approx(rates)


def test_slices_of_one_class_hold_what_means_something_there(compared):
    sliced = [x for x in compared.result["figures"] if x["slice"] != "overall"]
    assert {x["metric"] for x in sliced} == {"accuracy", "squared_error"}
    assert {x["slice"] for x in sliced} == {f"{f.POINT_LABEL_NAME}={x}" for x in CLASSES.names}


def test_a_worse_model_is_refused_and_the_overlap_told(compared):
    compared.assert_blessed(False)
    assert [(x["metric"], x["kind"]) for x in compared.result["checks"] if not x["ok"]] == [
        ("accuracy", "max_drop")
    ]
    assert f"1 of these {COUNT} test points" in compared.result["baseline"]["warning"]
