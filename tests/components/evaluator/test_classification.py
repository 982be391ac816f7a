"""The evaluator on classifiers: every figure against NumPy, thresholds, baselines, blessings."""

import numpy as np
import pytest

from components import features as f

MIN_SLICE = 10
TRAINED_ON = 7  # test pictures that the weak baseline was trained on


@pytest.fixture(scope="session")
def pictures():
    """Pictures of one colour with its label and its slice.

    Labels mostly follow red minus blue; those of the few square pictures are all its opposite, so
    that every good model fails on that slice.
    """
    rng = np.random.default_rng(7)
    made = []
    for number in range(64):
        orientation = "landscape" if number < 34 else "portrait" if number < 58 else "square"
        height, width = {"landscape": (24, 37), "portrait": (40, 28), "square": (33, 33)}[
            orientation
        ]
        colour = rng.integers(0, 256, 3)
        red_over_blue = int(colour[0]) - int(colour[2])
        noise = 0 if orientation == "square" else rng.normal(0, 90)
        label = int(red_over_blue + noise > 0)
        if orientation == "square":
            label = 1 - label
        pixels = np.broadcast_to(colour, (height, width, 3)).astype(np.uint8)
        made.append((f"{number:016x}", pixels, label, orientation))
    return made


@pytest.fixture(scope="session")
def examples(pictures, write_examples, encode_png, tmp_path_factory):
    return write_examples(
        tmp_path_factory.mktemp("examples"),
        [
            {
                f.IMAGE: encode_png(pixels),
                f.KEY: key.encode(),
                f.LABEL: label,
                f.LABEL_NAME: f.CLASS_NAMES[label].encode(),
                f.ORIENTATION: orientation.encode(),
            }
            for key, pixels, label, orientation in pictures
        ],
    )


def _model(side, red, blue, bias):
    """Probability = sigmoid(red * R + blue * B + bias), with mean colours in [0, 1]."""
    import keras

    inputs = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="trunk_output")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(1, name="logits")(x)
    model = keras.Model(inputs, keras.layers.Activation("sigmoid", name="probability")(x))
    model.get_layer("trunk_output").set_weights([np.eye(3)[None, None] / 255.0])
    model.get_layer("logits").set_weights([np.array([[red], [0.3], [blue]]), np.array([bias])])
    return model


# The weak one never says "dog".
MODELS = {"good": (5.0, -5.0, -0.4), "weak": (1.0, -2.0, -0.9)}
MODELS["good_silent"] = MODELS["good"]  # does not say what it was trained on


@pytest.fixture(scope="session")
def models(pictures, write_model, side, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    keys = {
        "good": ["ffffffffffffff00"],
        "weak": [key for key, *_ in pictures[:TRAINED_ON]] + ["ffffffffffffff01"],
        "good_silent": None,
    }
    return {
        name: write_model(
            folder / name, _model(side, *weights), "classification", training_keys=keys[name]
        )
        for name, weights in MODELS.items()
    }


def _probability(name, pixels):
    """What the model of that name answers for a picture of one colour."""
    red, blue, bias = MODELS[name]
    colour = pixels[0, 0] / 255.0
    return 1 / (1 + np.exp(-(red * colour[0] + 0.3 * colour[1] + blue * colour[2] + bias)))


def _reference(name, pictures):
    """Every figure of a set of pictures: {(metric, class or None): value or None}."""
    p = np.array([_probability(name, pixels) for _, pixels, _, _ in pictures])
    label = np.array([label for _, _, label, _ in pictures])
    predicted = (p > 0.5).astype(int)
    figures = {
        ("accuracy", None): np.mean(predicted == label),
        ("cross_entropy", None): -np.mean(np.log(np.where(label == 1, p, 1 - p))),
    }
    for index, class_name in enumerate(f.CLASS_NAMES):
        right = np.sum((predicted == index) & (label == index))
        for metric, total in (
            ("precision", np.sum(predicted == index)),
            ("recall", np.sum(label == index)),
        ):
            figures[metric, class_name] = right / total if total else None
    dogs, cats = p[label == 1], p[label == 0]
    if len(dogs) and len(cats):  # the chance that a dog ranks above a cat, ties counted half
        above = np.mean(dogs[:, None] > cats[None, :])
        figures["auc", None] = above + np.mean(dogs[:, None] == cats[None, :]) / 2
    else:
        figures["auc", None] = None
    return figures


@pytest.fixture(scope="session")
def run(evaluate, examples, models):
    """run(candidate, baseline or None, **eval_config) on the pictures."""

    def with_models(candidate, baseline=None, **eval_config):
        return evaluate(
            "classification",
            examples,
            models[candidate],
            baseline and models[baseline],
            **{"min_slice_size": MIN_SLICE, **eval_config},
        )

    return with_models


@pytest.fixture(scope="session")
def alone(run):
    return run(
        "good",
        thresholds={"accuracy": {"min": 0.5, "max_drop": 0.0}, "auc": {"min": 0.7}},
        slice_thresholds={"accuracy": {"min": 0.3}},
        slices=[f.LABEL_NAME, f.ORIENTATION],
    )


@pytest.fixture(scope="session")
def first(run):
    return run(
        "weak",
        thresholds={"accuracy": {"max_drop": 0.0}},
        slices=[f.ORIENTATION],
        confidence_intervals=True,
    )


@pytest.fixture(scope="session")
def worse(run):
    return run(
        "weak",
        "good",
        thresholds={"accuracy": {"max_drop": 0.1}, "recall": {"min": 0.2}},
        slices=[f.ORIENTATION],
    )


@pytest.fixture(scope="session")
def better(run):
    return run("good", "weak", thresholds={n: {"max_drop": 0.0} for n in ("accuracy", "precision")})


def _slices(pictures):
    """Every slice of at least MIN_SLICE pictures, by the name that figures carry."""
    groups = {"overall": pictures}
    for name in f.CLASS_NAMES:
        groups[f"{f.LABEL_NAME}={name}"] = [p for p in pictures if f.CLASS_NAMES[p[2]] == name]
    for orientation in f.ORIENTATIONS:
        groups[f"{f.ORIENTATION}={orientation}"] = [p for p in pictures if p[3] == orientation]
    return {name: group for name, group in groups.items() if len(group) >= MIN_SLICE}


def _assert_equal(found, expected, metric):
    tolerance = {"auc": 1e-3, "cross_entropy": 1e-5}.get(metric, 1e-6)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=tolerance)


def test_every_figure_equals_numpy_overall_and_by_slice(alone, pictures):
    expected = {
        (metric, class_name, name): (value, len(group))
        for name, group in _slices(pictures).items()
        for (metric, class_name), value in _reference("good", group).items()
        # Of one class alone there is no AUC to show, and precision and recall tell nothing new.
        if not name.startswith(f.LABEL_NAME) or metric in ("accuracy", "cross_entropy")
    }
    found = {(x["metric"], x["class"], x["slice"]): x for x in alone.result["figures"]}
    assert set(found) == set(expected)
    for key, (value, examples) in expected.items():
        _assert_equal(found[key]["value"], value, key[0])
        assert found[key]["examples"] == examples
        assert found[key]["baseline"] is None


def test_confusion_and_curve_equal_numpy(first, worse, better, pictures):
    """Of the candidate, on the whole split; with resampling, and with a baseline."""
    label = np.array([label for _, _, label, _ in pictures])
    for outcome, name in ((first, "weak"), (worse, "weak"), (better, "good")):
        p = np.array([_probability(name, pixels) for _, pixels, _, _ in pictures])
        assert outcome.result["confusion"] == {
            "classes": list(f.CLASS_NAMES),
            "rows": [
                [int(np.sum((label == true) & ((p > 0.5) == said))) for said in (0, 1)]
                for true in (0, 1)
            ],
        }
        curve = outcome.result["roc"]
        assert (curve[0]["false_positive_rate"], curve[0]["recall"]) == (0, 0)
        assert (curve[-1]["false_positive_rate"], curve[-1]["recall"]) == (1, 1)
        assert 10 < len(curve) <= 101
        for point in curve:
            above = p > point["threshold"]
            assert point["recall"] == pytest.approx(np.mean(above[label == 1]))
            assert point["false_positive_rate"] == pytest.approx(np.mean(above[label == 0]))


def test_every_number_has_its_interval(first, pictures):
    slices = _slices(pictures)
    for x in first.result["figures"]:
        assert (x["lower"] is None) == (x["upper"] is None) == (x["value"] is None)
        if x["value"] is not None:
            assert x["lower"] <= x["value"] <= x["upper"]
        if x["metric"] != "cross_entropy" and x["value"] is not None:
            assert x["lower"] >= 0 and x["upper"] <= 1
        if x["metric"] == "accuracy":  # binomial
            share = _reference("weak", slices[x["slice"]])["accuracy", None]
            half = 1.959964 * np.sqrt(share * (1 - share) / len(slices[x["slice"]]))
            assert x["upper"] - x["lower"] == pytest.approx(2 * half, rel=1e-4)
    probabilities = np.array([_probability("weak", pixels) for _, pixels, _, _ in pictures])
    labels = np.array([label for _, _, label, _ in pictures])
    losses = -np.log(np.where(labels == 1, probabilities, 1 - probabilities))
    loss = first.figure("cross_entropy")
    half = 1.959964 * np.std(losses) / np.sqrt(len(losses))
    assert loss["upper"] - loss["lower"] == pytest.approx(2 * half, rel=0.05)


def test_no_intervals_unless_asked_for(alone):
    assert {x["lower"] for x in alone.result["figures"]} == {None}


def test_a_small_slice_is_neither_shown_nor_checked(alone, pictures):
    square = [p for p in pictures if p[3] == "square"]
    assert _reference("good", square)["accuracy", None] == 0  # it would fail
    assert not any("square" in x["slice"] for x in alone.result["figures"])
    checked = {x["slice"] for x in alone.result["checks"]}
    assert checked == set(_slices(pictures))
    alone.assert_blessed(True)


def test_a_threshold_on_the_whole_split_is_not_held_against_slices(alone):
    assert [x["slice"] for x in alone.result["checks"] if x["bound"] == 0.5] == ["overall"]


def test_without_a_baseline_value_thresholds_alone_bless(alone):
    assert alone.result["baseline"] is None
    assert {x["kind"] for x in alone.result["checks"]} == {"min"}


def test_the_first_model_is_blessed_where_only_drops_are_limited(first):
    assert first.result["checks"] == []
    first.assert_blessed(True)


def test_a_worse_model_is_refused(worse, pictures):
    weak = _reference("weak", pictures)["accuracy", None]
    good = _reference("good", pictures)["accuracy", None]
    assert weak < good - 0.1
    worse.assert_blessed(False)
    (check,) = [x for x in worse.result["checks"] if x["kind"] == "max_drop"]
    assert check["message"] == f"accuracy is {weak:.4f}, at most 0.1 below {good:.4f} needed"
    assert not check["ok"]


def test_a_value_below_its_threshold_is_refused(worse):
    checks = {x["class"]: x for x in worse.result["checks"] if x["metric"] == "recall"}
    assert not checks["dog"]["ok"]
    assert checks["dog"]["message"] == "recall of dog is 0.0000, at least 0.2 needed"
    assert checks["cat"]["ok"]


def test_baseline_values_equal_numpy(worse, pictures):
    slices = {k: v for k, v in _slices(pictures).items() if f.LABEL_NAME not in k}
    assert {x["slice"] for x in worse.result["figures"]} == set(slices)
    for x in worse.result["figures"]:
        group = slices[x["slice"]]
        key = x["metric"], x["class"]
        _assert_equal(x["value"], _reference("weak", group)[key], x["metric"])
        _assert_equal(x["baseline"], _reference("good", group)[key], x["metric"])


def test_a_baseline_without_a_number_blocks_nobody(better):
    assert better.figure("precision", class_name="dog")["baseline"] is None
    (check,) = [x for x in better.result["checks"] if x["class"] == "dog"]
    assert check["message"].endswith("the baseline has no number to compare with")
    better.assert_blessed(True)


def test_a_baseline_trained_on_test_pictures_is_told(better, pictures):
    warning = better.result["baseline"]["warning"]
    assert f"trained on {TRAINED_ON} of these {len(pictures)} test pictures" in warning


def test_a_baseline_trained_on_other_pictures_needs_no_warning(worse):
    assert worse.result["baseline"]["warning"] is None


def test_an_equal_model_is_blessed(run):
    equal = run("good", "good_silent", thresholds={"accuracy": {"max_drop": 0.0}})
    assert [x["ok"] for x in equal.result["checks"]] == [True]
    equal.assert_blessed(True)
    warning = equal.result["baseline"]["warning"]
    assert warning == "the baseline does not say which pictures it was trained on"


def test_a_failing_slice_withdraws_the_blessing(run, pictures):
    portrait = _reference("good", _slices(pictures)[f"{f.ORIENTATION}=portrait"])["accuracy", None]
    landscape = _reference("good", _slices(pictures)[f"{f.ORIENTATION}=landscape"])[
        "accuracy", None
    ]
    bound = round((portrait + landscape) / 2, 2)
    assert portrait < bound < landscape
    refused = run(
        "good",
        thresholds={"accuracy": {"min": 0.5}},
        slice_thresholds={"accuracy": {"min": bound}},
        slices=[f.ORIENTATION],
    )
    refused.assert_blessed(False)
    assert [x["message"] for x in refused.result["checks"] if not x["ok"]] == [
        f"accuracy on {f.ORIENTATION}=portrait is {portrait:.4f}, at least {bound:g} needed"
    ]
