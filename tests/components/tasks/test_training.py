"""Targets, losses, metrics and class weights of the tasks, against NumPy."""

import keras
import numpy as np
import pytest

from components import models
from components.tasks import get_task
from components.trainer.sections import LossConfig
from serving.classes import IGNORED, Classes
from serving.errors import InputError

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 2, (6, 1)).astype(np.float32)
PROBABILITY = RNG.uniform(0.05, 0.95, (6, 1)).astype(np.float32)
MASKS = RNG.integers(0, 3, (2, 5, 4)).astype(np.uint8)
HOLES = np.where(RNG.uniform(size=MASKS.shape) < 0.3, IGNORED, MASKS).astype(np.uint8)
COLORS = ((230, 159, 0), (30, 64, 110), (245, 245, 240))


def softmax(*shape: int) -> np.ndarray:
    logits = RNG.normal(size=shape)
    return (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype(np.float32)


PROBABILITIES = softmax(2, 5, 4, 3)
FIVE = np.eye(5, dtype=np.float32)[RNG.integers(0, 5, 6)]
OF_FIVE = softmax(6, 5)


def part(kind: str):
    if kind == "masks":
        return get_task("image_segmentation").training(Classes(("a", "b", "c"), COLORS))
    if kind == "holes":
        return get_task("image_segmentation").training(Classes(("a", "b", "c"), COLORS, IGNORED))
    names = {"two": ("cat", "dog"), "five": tuple("abcde")}[kind]
    return get_task("image_classification").training(Classes(names))


def loss(kind: str, targets, outputs, **config) -> float:
    return float(part(kind).loss(LossConfig(**config))(targets, outputs))


def measured(kind: str, targets, outputs) -> dict[str, float]:
    metrics = part(kind).metrics()
    for metric in metrics:
        metric.update_state(targets, outputs)
    return {metric.name: float(metric.result()) for metric in metrics}


def one_hot(smoothing: float = 0.0) -> np.ndarray:
    return np.eye(3)[MASKS] * (1 - smoothing) + smoothing / 3


@pytest.mark.parametrize(
    ("kind", "targets", "outputs"), [("two", LABELS, PROBABILITY), ("five", FIVE, OF_FIVE)]
)
def test_classes(kind, targets, outputs):
    both = [targets, outputs]
    if kind == "two":  # the one probability stands for two
        both = [np.concatenate([1 - one, one], axis=1) for one in both]
    smoothed = both[0] * 0.9 + 0.1 / both[0].shape[1]
    expected = -(smoothed * np.log(both[1])).sum(-1).mean()
    assert loss(kind, targets, outputs, label_smoothing=0.1) == pytest.approx(expected)
    right = (both[0] * both[1]).sum(-1)
    expected = (-((1 - right) ** 2) * np.log(right)).mean()
    assert loss(kind, targets, outputs, focal_gamma=2.0) == pytest.approx(expected, rel=1e-4)


def test_masks():
    for smoothing in (0.0, 0.2):
        expected = -(one_hot(smoothing) * np.log(PROBABILITIES)).sum(-1).mean()
        found = loss("masks", MASKS, PROBABILITIES, label_smoothing=smoothing)
        assert found == pytest.approx(expected, rel=1e-5)
        # That some value would be ignored changes nothing where there is none of it.
        assert found == loss("holes", MASKS, PROBABILITIES, label_smoothing=smoothing)
    right = (one_hot() * PROBABILITIES).sum(-1)
    expected = (-((1 - right) ** 1.5) * np.log(right)).mean()
    assert loss("masks", MASKS, PROBABILITIES, focal_gamma=1.5) == pytest.approx(expected, rel=1e-4)
    both = 2 * (one_hot() * PROBABILITIES).sum((1, 2))
    dice = both / (one_hot().sum((1, 2)) + PROBABILITIES.sum((1, 2)))
    expected = -np.log(right).mean() + 0.7 * (1 - dice).mean()
    assert loss("masks", MASKS, PROBABILITIES, dice=0.7) == pytest.approx(expected, rel=1e-5)


def test_ignored_pixels_weigh_nothing():
    options = {"label_smoothing": 0.2, "dice": 0.7}
    # Every image weighs the same: the mean of what each would give if it had no other pixels.
    expected = []
    for mask, probabilities in zip(HOLES, PROBABILITIES, strict=True):
        counted = mask != IGNORED
        line = mask[counted][None, None], probabilities[counted][None, None]
        expected.append(loss("masks", *line, **options))
    assert loss("holes", HOLES, PROBABILITIES, **options) == pytest.approx(np.mean(expected))
    nothing = np.full_like(HOLES, IGNORED)
    assert loss("holes", nothing, PROBABILITIES, **options) == 0.0
    counted = HOLES != IGNORED
    expected = measured("masks", HOLES[counted][None], PROBABILITIES[counted][None])
    assert measured("holes", HOLES, PROBABILITIES) == pytest.approx(expected)


def test_metrics():
    blended, found = [[0.7], [0.2], [1.0], [0.0]], [[0.9], [0.6], [0.4], [0.1]]
    assert measured("two", np.array(blended), np.array(found)) == {"accuracy": 0.5}
    right = (FIVE.argmax(-1) == OF_FIVE.argmax(-1)).mean()
    blended = 0.7 * FIVE + 0.3 * FIVE[::-1]
    assert measured("five", blended, OF_FIVE) == pytest.approx({"accuracy": right})
    found = PROBABILITIES.argmax(-1)
    ious = [
        ((found == c) & (c == MASKS)).sum() / ((found == c) | (c == MASKS)).sum() for c in range(3)
    ]
    assert measured("masks", MASKS, PROBABILITIES) == pytest.approx(
        {"pixel_accuracy": (found == MASKS).mean(), "mean_iou": np.mean(ious)}, rel=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "targets", "counts"),
    [
        ("two", np.array([0, 0, 0, 1] * 5, np.float32)[:, None], [15, 5]),
        ("five", np.eye(5, dtype=np.float32)[[0, 1, 1, 2, 3, 4, 4, 4]], [1, 2, 1, 1, 3]),
        ("masks", MASKS, np.bincount(MASKS.ravel())),
        ("holes", HOLES, np.bincount(HOLES[HOLES != IGNORED])),
    ],
)
def test_balanced_weights_make_every_class_count_the_same(kind, targets, counts):
    made = part(kind)
    assert made.class_counts(targets).tolist() == list(counts)
    weights = made.class_weights(LossConfig(class_weights="balanced"), targets)
    np.testing.assert_allclose(np.array(weights) * counts, sum(counts) / len(counts))
    spread = keras.ops.convert_to_numpy(made.sample_weights(weights, targets)).ravel()
    assert spread.sum() == pytest.approx(sum(counts), rel=1e-5)  # of what is ignored, nothing
    assert made.class_weights(LossConfig(), targets) == []
    assert np.isfinite(made.class_weights(LossConfig(class_weights="balanced"), targets[:1])).all()


def test_class_weights_of_a_blended_label_and_of_another_number():
    assert part("two").sample_weights([1.0, 3.0], np.array([[0.25]]))[0, 0] == 1.5
    blended = np.array([[0.75, 0.25, 0, 0, 0]], np.float32)
    found = part("five").sample_weights([1.0, 3.0, 0.0, 0.0, 0.0], blended)
    assert keras.ops.convert_to_numpy(found).tolist() == [1.5]
    with pytest.raises(InputError, match=r"_weights: expected 2 numbers \(cat, dog\), found 1"):
        part("two").class_weights(LossConfig(class_weights=[1.0]), LABELS)


def test_what_nothing_can_be_learned_from_is_refused():
    dogs = np.ones((3, 1), np.float32)
    with pytest.raises(InputError, match=r"train split: expected .* 2 classes, found none of cat"):
        part("two").check_targets("train", dogs)
    part("two").check_targets("eval", dogs)
    for kind, targets in (("two", 2 * dogs), ("five", np.zeros((1, 5), np.float32))):
        with pytest.raises(InputError, match="labels of the eval split: expected 0 to"):
            part(kind).check_targets("eval", targets)
    with pytest.raises(InputError, match=r"a mask of the train split: .* 0 to 2, found 255"):
        part("masks").check_targets("train", HOLES)
    part("holes").check_targets("train", HOLES)


def test_a_bar_tells_the_probability_of_the_true_class():
    images = np.full((2, 8, 20, 3), 100.0, np.float32)
    two = part("two").draw_samples(images, np.array([[1.0], [0.0]]), np.array([[0.75], [0.9]]))
    five = part("five").draw_samples(
        images, np.eye(5)[:2], np.array([[0.75, 0.25, 0, 0, 0], [0.9, 0.1, 0, 0, 0]])
    )
    for drawn in (two, five):
        assert drawn.shape == (2, 14, 20, 3)
        assert (drawn[:, :8] == 100).all()
        lengths = (drawn[:, 8:].sum(axis=-1) > 0).sum(axis=2)
        assert (lengths == [[15], [2]]).all()
        right, wrong = drawn[0, -1, 0].astype(int), drawn[1, -1, 0].astype(int)
        assert right[1] > right[0]  # green
        assert wrong[0] > wrong[1]  # red


def test_masks_lie_side_by_side_in_their_colors():
    truth = np.zeros((1, 4, 4), np.uint8)
    truth[0, 2:] = 1
    first = np.eye(3)[np.zeros((1, 4, 4), int)]
    drawn = part("holes").draw_samples(np.zeros((1, 4, 4, 3), np.float32), truth, first)
    assert drawn.shape == (1, 4, 12, 3)
    assert drawn[0, 0, 4].tolist() == drawn[0, 3, 8].tolist() == list(COLORS[0])
    assert drawn[0, 3, 4].tolist() == list(COLORS[1])


def test_two_classes_are_trained_by_one_probability_whatever_the_model_has_inside():
    shipped = models.build("convnet_small_150", 46, 2)
    inputs = keras.Input((4, 4, 3))
    own = keras.Model(inputs, keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(inputs)))
    for model in (shipped, own):
        trainee = part("two").trainee(model)
        pixels = RNG.uniform(0, 255, (2, *model.input_shape[1:])).astype(np.float32)
        both, one = (keras.ops.convert_to_numpy(each(pixels)) for each in (model, trainee))
        np.testing.assert_allclose(both[:, 1:], one, atol=1e-6)
        assert [id(v) for v in trainee.weights] == [id(v) for v in model.weights]
