"""The evaluator on segmenters: IoU and pixel accuracy against NumPy, at mixed picture sizes."""

import numpy as np
import pytest

from components import features as f

MIN_SLICE = 4
SIZES = {"landscape": (24, 40), "portrait": (45, 29), "square": (33, 33)}


@pytest.fixture(scope="session")
def pictures():
    """Noisy pictures whose channels tell the class: red, green or blue; the mask is the truth."""
    rng = np.random.default_rng(11)
    made = []
    for number in range(14):
        orientation = "landscape" if number < 6 else "portrait" if number < 12 else "square"
        height, width = SIZES[orientation]
        mask = np.ones((height, width), np.uint8)
        if number not in (0, 6):  # two pictures show background alone
            top, left = rng.integers(1, 9, 2)
            mask[top : top + 14, left : left + 12] = 2
            mask[top + 2 : top + 12, left + 2 : left + 10] = 0
        pixels = rng.integers(0, 200, (height, width, 3))
        pixels[np.arange(height)[:, None], np.arange(width)[None], mask] += 55
        made.append((pixels.astype(np.uint8), mask, orientation))
    return made


@pytest.fixture(scope="session")
def examples(pictures, write_examples, encode_png, tmp_path_factory):
    return write_examples(
        tmp_path_factory.mktemp("examples"),
        [
            {
                f.IMAGE: encode_png(pixels),
                f.MASK: encode_png(mask),
                f.KEY: f"{number:016x}".encode(),
                f.ORIENTATION: orientation.encode(),
            }
            for number, (pixels, mask, orientation) in enumerate(pictures)
        ],
    )


def _model(side, kernel, bias):
    """Logits = colour / 255 @ kernel + bias, at every pixel."""
    import keras

    inputs = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="trunk_output")(inputs)
    x = keras.layers.Conv2D(3, 1, name="logits")(x)
    model = keras.Model(inputs, keras.layers.Activation("softmax", name="probabilities")(x))
    model.get_layer("trunk_output").set_weights([np.eye(3)[None, None] / 255.0])
    model.get_layer("logits").set_weights([np.array(kernel)[None, None], np.array(bias)])
    return model


@pytest.fixture(scope="session")
def keras_models(side):
    return {
        "good": _model(side, np.eye(3) * 9.0, [0.0, 0.5, 0.2]),
        "no_contour": _model(side, np.eye(3) * 2.0, [0.0, 1.0, -9.0]),
    }


@pytest.fixture(scope="session")
def models(keras_models, write_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        name: write_model(folder / name, model, "segmentation", training_keys=[])
        for name, model in keras_models.items()
    }


@pytest.fixture(scope="session")
def masks(pictures, keras_models, encode_png, side):
    """Ground truth and every model's mask at model size: [picture, side, side]."""
    import tensorflow as tf

    from components.preprocessing import decode_images

    truth = []
    for _, mask, _ in pictures:  # nearest neighbour at half-pixel centres
        rows = ((np.arange(side) + 0.5) * mask.shape[0] / side).astype(int)
        columns = ((np.arange(side) + 0.5) * mask.shape[1] / side).astype(int)
        truth.append(mask[rows[:, None], columns[None]])
    encoded = tf.constant([encode_png(pixels) for pixels, _, _ in pictures])
    images = decode_images(encoded, side)
    found = {name: np.argmax(model(images), axis=-1) for name, model in keras_models.items()}
    return {"truth": np.array(truth), **found}


def _reference(masks, name, rows):
    """{(metric, class or None): value or None} of the pictures of those numbers."""
    truth, found = masks["truth"][rows], masks[name][rows]
    figures = {("pixel_accuracy", None): np.mean(truth == found)}
    ious = []
    for index, class_name in enumerate(f.MASK_CLASS_NAMES):
        union = np.sum((truth == index) | (found == index))
        iou = np.sum((truth == index) & (found == index)) / union if union else None
        figures["iou", class_name] = iou
        ious += [] if iou is None else [iou]
    figures["mean_iou", None] = np.mean(ious)
    return figures


def _slices(pictures):
    groups = {"overall": list(range(len(pictures)))}
    for orientation in f.ORIENTATIONS:
        rows = [n for n, picture in enumerate(pictures) if picture[2] == orientation]
        if len(rows) >= MIN_SLICE:
            groups[f"{f.ORIENTATION}={orientation}"] = rows
    return groups


@pytest.fixture(scope="session")
def better(evaluate, examples, models):
    return evaluate(
        "segmentation",
        examples,
        models["good"],
        models["no_contour"],
        thresholds={"mean_iou": {"min": 0.2, "max_drop": 0.0}, "iou": {"min": 0.1}},
        slice_thresholds={"pixel_accuracy": {"min": 0.2}},
        slices=[f.ORIENTATION],
        min_slice_size=MIN_SLICE,
        confidence_intervals=True,
    )


def test_every_figure_equals_numpy_overall_and_by_slice(better, masks, pictures):
    expected = {
        (metric, class_name, name): (
            value,
            _reference(masks, "no_contour", rows)[metric, class_name],
        )
        for name, rows in _slices(pictures).items()
        for (metric, class_name), value in _reference(masks, "good", rows).items()
    }
    found = {(x["metric"], x["class"], x["slice"]): x for x in better.result["figures"]}
    assert set(found) == set(expected)
    for key, (value, baseline) in expected.items():
        assert found[key]["value"] == pytest.approx(value, abs=1e-9)
        assert found[key]["baseline"] == pytest.approx(baseline, abs=1e-9)
        assert found[key]["examples"] == len(_slices(pictures)[key[2]])


def test_confusion_in_pixels_equals_numpy(better, masks):
    truth, found = masks["truth"], masks["good"]
    rows = [[int(np.sum((truth == t) & (found == p))) for p in range(3)] for t in range(3)]
    assert better.result["confusion"] == {"classes": list(f.MASK_CLASS_NAMES), "rows": rows}
    assert np.sum(rows) == truth.size
    assert rows != np.transpose(rows).tolist()  # else it would not tell rows from columns
    assert better.result["roc"] is None


def test_intervals_are_those_of_a_bootstrap_of_pictures(better, masks, pictures):
    rng = np.random.default_rng(2)
    for name, rows in _slices(pictures).items():
        drawn = [
            _reference(masks, "good", np.repeat(rows, rng.poisson(1.0, len(rows))))
            for _ in range(500)
        ]
        for metric, class_name in (
            ("pixel_accuracy", None),
            ("mean_iou", None),
            ("iou", "foreground"),
        ):
            figure = better.figure(metric, name, class_name)
            values = [each[metric, class_name] for each in drawn]
            half = 1.959964 * np.nanstd([np.nan if value is None else value for value in values])
            assert figure["lower"] <= figure["value"] <= figure["upper"]
            # 14 pictures, 6 in a slice: the linear estimate is not that close.
            assert (figure["upper"] - figure["lower"]) / 2 == pytest.approx(half, rel=0.5)


def test_iou_of_a_class_never_predicted_is_zero_and_the_models_differ(masks, pictures):
    rows = list(range(len(pictures)))
    weak, good = (_reference(masks, name, rows) for name in ("no_contour", "good"))
    assert weak["iou", "contour"] == 0
    assert 0.3 < good["mean_iou", None] < 0.95  # neither trivial


def test_thresholds_on_every_metric_are_checked(better):
    better.assert_blessed(True)
    assert [
        (x["metric"], x["class"], x["kind"]) for x in better.result["checks"] if x["kind"] == "min"
    ].count(("iou", "contour", "min")) == 1
    checked = {(x["metric"], x["class"], x["slice"], x["kind"]) for x in better.result["checks"]}
    assert checked == {
        ("mean_iou", None, "overall", "min"),
        ("mean_iou", None, "overall", "max_drop"),
        *(("iou", name, "overall", "min") for name in f.MASK_CLASS_NAMES),
        *(
            ("pixel_accuracy", None, f"{f.ORIENTATION}={name}", "min")
            for name in ("landscape", "portrait")
        ),
    }


def test_a_worse_model_is_refused(evaluate, examples, models, masks, pictures):
    worse = evaluate(
        "segmentation",
        examples,
        models["no_contour"],
        models["good"],
        thresholds={"mean_iou": {"max_drop": 0.01}, "iou": {"min": 0.05}},
    )
    worse.assert_blessed(False)
    rows = list(range(len(pictures)))
    weak, good = (
        _reference(masks, name, rows)["mean_iou", None] for name in ("no_contour", "good")
    )
    assert [x["message"] for x in worse.result["checks"] if not x["ok"]] == [
        f"mean_iou is {weak:.4f}, at most 0.01 below {good:.4f} needed",
        "iou of contour is 0.0000, at least 0.05 needed",
    ]
