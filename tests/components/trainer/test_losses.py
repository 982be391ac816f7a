"""Losses, metrics and class weights, against NumPy."""

import numpy as np
import pytest

from components.trainer.sections import LossConfig

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 2, (6, 1)).astype(np.float32)
PROBABILITY = RNG.uniform(0.05, 0.95, (6, 1)).astype(np.float32)
MASKS = RNG.integers(0, 3, (2, 5, 4)).astype(np.uint8)
LOGITS = RNG.normal(size=(2, 5, 4, 3))
PROBABILITIES = (np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def losses():
    from components.trainer.fit import losses

    return losses


def one_hot(smoothing: float = 0.0) -> np.ndarray:
    return np.eye(3)[MASKS] * (1 - smoothing) + smoothing / 3


def test_classification(losses):
    smoothed = LABELS * 0.9 + 0.05
    expected = -(smoothed * np.log(PROBABILITY) + (1 - smoothed) * np.log(1 - PROBABILITY)).mean()
    loss = losses.build_loss(LossConfig(label_smoothing=0.1), "classification")
    np.testing.assert_allclose(float(loss(LABELS, PROBABILITY)), expected, rtol=1e-5)


def test_classification_focal(losses):
    right = np.where(LABELS > 0.5, PROBABILITY, 1 - PROBABILITY)
    expected = (-((1 - right) ** 2) * np.log(right)).mean()
    loss = losses.build_loss(LossConfig(focal_gamma=2.0), "classification")
    np.testing.assert_allclose(float(loss(LABELS, PROBABILITY)), expected, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_segmentation(losses, smoothing):
    expected = -(one_hot(smoothing) * np.log(PROBABILITIES)).sum(-1).mean()
    loss = losses.build_loss(LossConfig(label_smoothing=smoothing), "segmentation")
    np.testing.assert_allclose(float(loss(MASKS, PROBABILITIES)), expected, rtol=1e-5)


def test_segmentation_focal(losses):
    right = (one_hot() * PROBABILITIES).sum(-1)
    expected = (-((1 - right) ** 1.5) * np.log(right)).mean()
    loss = losses.build_loss(LossConfig(focal_gamma=1.5), "segmentation")
    np.testing.assert_allclose(float(loss(MASKS, PROBABILITIES)), expected, rtol=1e-4)


def test_dice_term_is_one_minus_the_mean_dice_of_each_picture(losses):
    both = 2 * (one_hot() * PROBABILITIES).sum((1, 2))
    dice = both / (one_hot().sum((1, 2)) + PROBABILITIES.sum((1, 2)))
    cross_entropy = -(one_hot() * np.log(PROBABILITIES)).sum(-1).mean()
    loss = losses.build_loss(LossConfig(dice=0.7), "segmentation")
    expected = cross_entropy + 0.7 * (1 - dice).mean()
    np.testing.assert_allclose(float(loss(MASKS, PROBABILITIES)), expected, rtol=1e-5)


def test_accuracy_counts_the_larger_part_of_a_blended_label(losses):
    (metric,) = losses.build_metrics("classification")
    metric.update_state(
        np.array([[0.7], [0.2], [1.0], [0.0]]), np.array([[0.9], [0.6], [0.4], [0.1]])
    )
    assert metric.name == "accuracy"
    assert float(metric.result()) == 0.5


def test_segmentation_metrics(losses):
    metrics = losses.build_metrics("segmentation")
    for metric in metrics:
        metric.update_state(MASKS, PROBABILITIES)
    values = {metric.name: float(metric.result()) for metric in metrics}
    found = PROBABILITIES.argmax(-1)
    ious = [
        ((found == c) & (c == MASKS)).sum() / ((found == c) | (c == MASKS)).sum() for c in range(3)
    ]
    assert values == pytest.approx(
        {"pixel_accuracy": (found == MASKS).mean(), "mean_iou": np.mean(ious)}, rel=1e-5
    )


def test_balanced_weights_make_every_class_count_the_same(losses):
    targets = np.array([0, 0, 0, 1] * 5, np.float32)[:, np.newaxis]
    config = LossConfig(class_weights="balanced")
    weights = losses.resolve_class_weights(config, targets, "classification")
    assert weights == pytest.approx([20 / (2 * 15), 20 / (2 * 5)])
    spread = losses.sample_weights(weights, targets, "classification")
    assert spread[targets == 0].sum() == pytest.approx(spread[targets == 1].sum())
    assert spread.mean() == pytest.approx(1.0)


def test_weights_of_pixels(losses):
    import keras

    weights = losses.resolve_class_weights(
        LossConfig(class_weights=[1.0, 0.5, 3.0]), MASKS, "segmentation"
    )
    spread = keras.ops.convert_to_numpy(losses.sample_weights(weights, MASKS, "segmentation"))
    np.testing.assert_array_equal(spread, np.array([1.0, 0.5, 3.0], np.float32)[MASKS])


def test_a_blended_label_gets_a_blended_weight(losses):
    targets = np.array([[0.25]], np.float32)
    assert losses.sample_weights([1.0, 3.0], targets, "classification")[0, 0] == 1.5


def test_no_weights(losses):
    assert losses.resolve_class_weights(LossConfig(), MASKS, "segmentation") == []


def test_a_class_that_is_not_there_divides_by_nothing(losses):
    masks = np.zeros((1, 2, 2), np.uint8)
    weights = losses.resolve_class_weights(
        LossConfig(class_weights="balanced"), masks, "segmentation"
    )
    assert np.isfinite(weights).all()
