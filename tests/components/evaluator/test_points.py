"""The evaluator on models of points: every figure against NumPy, also of scores beyond [0, 1]."""

import numpy as np
import pytest

from components import features as f
from components import models as architectures

COUNT = 90
TRAINED_ON = 6  # test points that the weak baseline was trained on
WEIGHTS = {
    "good": ((0.4, -0.35), 0.45),
    "weak": ((0.9, 0.4), -0.6),  # most of its scores are outside [0, 1]
}


@pytest.fixture(scope="module")
def points():
    """Two clouds that overlap: float32 [n, 2] and labels; a third of them of class 1."""
    rng = np.random.default_rng(8)
    labels = (np.arange(COUNT) % 3 == 0).astype(int)
    means = np.array([(0.3, 1.4), (1.4, 0.3)])[labels]
    return (means + rng.normal(0, 1, (COUNT, 2))).astype(np.float32), labels


@pytest.fixture(scope="module")
def examples(points, write_examples, tmp_path_factory):
    return write_examples(
        tmp_path_factory.mktemp("examples"),
        [
            {
                f.POINT_X: float(x),
                f.POINT_Y: float(y),
                f.POINT_KEY: f"{number:064x}".encode(),
                f.POINT_LABEL: int(label),
                f.POINT_LABEL_NAME: f.POINT_CLASS_NAMES[label].encode(),
            }
            for number, ((x, y), label) in enumerate(zip(*points, strict=True))
        ],
    )


@pytest.fixture(scope="module")
def models(write_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for name, (w, b) in WEIGHTS.items():
        model = architectures.build("linear", None)
        model.set_weights([np.array(w)[:, None], np.array([b])])
        keys = [f"{number:064x}" for number in range(TRAINED_ON)] if name == "weak" else []
        made[name] = write_model(folder / name, model, "points", training_keys=keys)
    return made


def _scores(name, points):
    w, b = WEIGHTS[name]
    return points[0].astype(np.float64) @ np.array(w) + b


def _reference(name, points):
    """Every figure on the whole split."""
    score, label = _scores(name, points), points[1]
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
def run(evaluate, examples, models):
    def with_models(candidate, baseline=None, **eval_config):
        return evaluate(
            "points", examples, models[candidate], baseline and models[baseline], **eval_config
        )

    return with_models


@pytest.fixture(scope="module")
def compared(run):
    return run(
        "weak",
        "good",
        thresholds={"accuracy": {"min": 0.1, "max_drop": 0.01}, "auc": {"min": 0.1}},
        slices=[f.POINT_LABEL_NAME],
        confidence_intervals=True,
    )


def test_figures_of_both_models_equal_numpy(compared, points):
    # Else the grid of thresholds beyond [0, 1] would not be needed.
    assert np.mean((_scores("weak", points) < 0) | (_scores("weak", points) > 1)) > 0.5
    overall = {x["metric"]: x for x in compared.result["figures"] if x["slice"] == "overall"}
    weak, good = _reference("weak", points), _reference("good", points)
    assert set(overall) == set(weak)
    assert abs(good["auc"] - weak["auc"]) > 0.1
    for metric, figure in overall.items():
        tolerance = 2e-3 if metric == "auc" else 1e-5
        assert figure["class"] is None
        assert figure["examples"] == COUNT
        assert figure["value"] == pytest.approx(weak[metric], abs=tolerance)
        assert figure["baseline"] == pytest.approx(good[metric], abs=tolerance)


def test_intervals_of_scores_that_are_no_probabilities(compared, points):
    scores, labels = _scores("weak", points), points[1]
    for metric, each in (
        ("accuracy", (scores > 0.5) == labels),
        ("recall", scores[labels == 1] > 0.5),
        ("squared_error", (scores - labels) ** 2),
    ):
        figure = compared.figure(metric)
        half = 1.959964 * np.std(each) / np.sqrt(len(each))
        # How far out a score beyond all thresholds is, is not known.
        assert figure["value"] - figure["lower"] == pytest.approx(half, rel=0.1)
        assert figure["upper"] - figure["value"] == pytest.approx(half, rel=0.1)
    auc = compared.figure("auc")
    assert 0.05 < auc["upper"] - auc["lower"] < 0.4


def test_confusion_and_curve_equal_numpy(compared, points):
    score, label = _scores("weak", points), points[1]
    assert compared.result["confusion"] == {
        "classes": list(f.POINT_CLASS_NAMES),
        "rows": [
            [int(np.sum((label == true) & ((score > 0.5) == said))) for said in (0, 1)]
            for true in (0, 1)
        ],
    }
    curve = compared.result["roc"]
    assert 20 < len(curve) <= 103
    assert min(point["threshold"] for point in curve[1:-1]) < 0  # scores are no probabilities
    for point in curve:
        assert np.isfinite(point["threshold"])
        above = score > point["threshold"]
        assert point["recall"] == pytest.approx(np.mean(above[label == 1]))
        assert point["false_positive_rate"] == pytest.approx(np.mean(above[label == 0]))
    assert (curve[0]["recall"], curve[-1]["false_positive_rate"]) == (0, 1)


def test_slices_of_one_class_hold_what_means_something_there(compared, points):
    sliced = [x for x in compared.result["figures"] if x["slice"] != "overall"]
    names = {f"{f.POINT_LABEL_NAME}={name}" for name in f.POINT_CLASS_NAMES}
    assert {x["slice"] for x in sliced} == names
    assert {x["metric"] for x in sliced} == {"accuracy", "squared_error"}
    predicted = _scores("weak", points) > 0.5
    for label, name in enumerate(f.POINT_CLASS_NAMES):
        mine = points[1] == label
        figure = compared.figure("accuracy", f"{f.POINT_LABEL_NAME}={name}")
        assert figure["examples"] == mine.sum()
        assert figure["value"] == pytest.approx(np.mean(predicted[mine] == label), abs=1e-6)


def test_a_worse_model_is_refused(compared):
    compared.assert_blessed(False)
    assert [(x["metric"], x["kind"]) for x in compared.result["checks"] if not x["ok"]] == [
        ("accuracy", "max_drop")
    ]


def test_a_baseline_trained_on_test_points_is_told(run):
    better = run("good", "weak", thresholds={"accuracy": {"min": 0.6, "max_drop": 0.0}})
    better.assert_blessed(True)
    warning = better.result["baseline"]["warning"]
    assert f"trained on {TRAINED_ON} of these {COUNT} test points" in warning
