"""The evaluator on segmenters: IoU and pixel accuracy against NumPy; some pixels are ignored."""

import numpy as np
import pytest

from components import features as f
from serving import names
from serving.classes import IGNORED, Classes

MIN_SLICE = 4
SIDE = 16
COUNT = 14
CLASSES = Classes(("fore", "back", "contour"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)), IGNORED)
ORIENTATIONS = np.array(["landscape"] * 6 + ["portrait"] * 6 + ["square"] * 2)


@pytest.fixture(scope="module")
def masks():
    """uint8 [image, side, side] by name: truth, an image of it ignored whole, and two answers."""
    rng = np.random.default_rng(11)
    truth = rng.choice([0, 1, 2, IGNORED], (COUNT, SIDE, SIDE), p=[0.3, 0.5, 0.1, 0.1])
    truth[3] = IGNORED
    skill = rng.uniform(0.3, 0.9, (COUNT, 1, 1))
    noise = rng.integers(0, 3, truth.shape)
    good = np.where((rng.random(truth.shape) < skill) & (truth < 3), truth, noise)
    found = {"truth": truth, "good": good, "weak": np.where(good == 2, 1, good)}
    return {name: values.astype(np.uint8) for name, values in found.items()}


def reference(masks, name, rows):
    """{(metric, class or None): value} of the images of those numbers."""
    truth, found = masks["truth"][rows], masks[name][rows]
    counted = truth != IGNORED
    truth, found = truth[counted], found[counted]
    figures = {("pixel_accuracy", None): np.mean(truth == found)}
    for index, class_name in enumerate(CLASSES.names):
        union = np.sum((truth == index) | (found == index))
        figures["iou", class_name] = np.sum((truth == index) & (found == index)) / union
    ious = [value for (metric, _), value in figures.items() if metric == "iou"]
    return figures | {("mean_iou", None): np.mean(ious)}


def slices():
    groups = {"overall": np.arange(COUNT)}
    for orientation in ("landscape", "portrait"):  # too few are square
        groups[f"{f.ORIENTATION}={orientation}"] = np.flatnonzero(orientation == ORIENTATIONS)
    return groups


@pytest.fixture(scope="module")
def better(masks, evaluate, write_examples, write_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("segmentation")
    examples = [
        {
            f.KEY: f"{n:016x}".encode(),
            f.ORIENTATION: ORIENTATIONS[n].encode(),
            **{name: values[n].tobytes() for name, values in masks.items()},
        }
        for n in range(COUNT)
    ]
    artifact = write_examples(folder / "examples", {"test": examples}, CLASSES, shards=2)
    models = (
        write_model(folder / name, names.OUTPUT_MASK, name, None, CLASSES, [])
        for name in ("good", "weak")
    )
    return evaluate(
        "image_segmentation",
        artifact,
        *models,
        thresholds={"mean_iou": {"min": 0.2, "max_drop": 0.0}, "iou": {"min": 0.05}},
        slice_thresholds={"pixel_accuracy": {"min": 0.2}},
        slices=[f.ORIENTATION],
        min_slice_size=MIN_SLICE,
        confidence_intervals=True,
    )


def test_every_figure_equals_numpy_overall_and_by_slice(better, masks):
    expected = {
        (metric, class_name, name): (value, reference(masks, "weak", rows)[metric, class_name])
        for name, rows in slices().items()
        for (metric, class_name), value in reference(masks, "good", rows).items()
    }
    found = {(x["metric"], x["class"], x["slice"]): x for x in better.result["figures"]}
    assert set(found) == set(expected)
    for key, (value, baseline) in expected.items():
        assert found[key]["value"] == pytest.approx(value, abs=1e-9)
        assert found[key]["baseline"] == pytest.approx(baseline, abs=1e-9)
        assert found[key]["examples"] == len(slices()[key[2]])
        assert found[key]["lower"] < value < found[key]["upper"]  # see metrics/test_intervals.py
    assert better.figure("iou", class_name="contour")["baseline"] == 0


def test_confusion_in_pixels_equals_numpy(better, masks):
    truth, found = masks["truth"], masks["good"]
    rows = [[int(np.sum((truth == t) & (found == p))) for p in range(3)] for t in range(3)]
    assert better.result["confusion"] == {"classes": list(CLASSES.names), "rows": rows}
    assert np.sum(rows) == np.sum(truth != IGNORED)
    assert rows != np.transpose(rows).tolist()  # else it would not tell rows from columns
    assert better.result["roc"] is None


def test_thresholds_on_every_metric_are_checked(better):
    better.assert_blessed(True)
    checked = [(x["metric"], x["class"], x["slice"], x["kind"]) for x in better.result["checks"]]
    assert sorted(checked, key=str) == sorted(
        [
            ("mean_iou", None, "overall", "min"),
            ("mean_iou", None, "overall", "max_drop"),
            *(("iou", name, "overall", "min") for name in CLASSES.names),
            *(("pixel_accuracy", None, name, "min") for name in slices() if name != "overall"),
        ],
        key=str,
    )
