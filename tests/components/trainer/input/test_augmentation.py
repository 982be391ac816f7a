import colorsys

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.input.augmentation import make_augment
from components.trainer.input.batches import training_batches
from components.trainer.input.split import Split
from components.trainer.sections import AugmentationConfig

MOVES = {"flip": True, "rotation": 0.1, "zoom": 0.2, "translation": 0.1}
STILL = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.3, "hue": 0.1, "erasing": 0.5}
ALL = MOVES | STILL


@pytest.fixture(scope="module")
def change():
    """change(images, targets, step, masks, seed, **config) -> images, targets as arrays."""

    def run(images, targets, step=0, masks=False, seed=1, **config):
        augment = make_augment(AugmentationConfig(**config), masks, seed)
        assert augment is not None
        return tuple(map(keras.ops.convert_to_numpy, augment(images, targets, step)))

    return run


def pixels(count: int = 6, side: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 3)).astype(np.float32)


def labels(count: int = 6) -> np.ndarray:
    return (np.arange(count) % 2).astype(np.float32)[:, np.newaxis]


def test_nothing_configured_is_nothing_done():
    assert make_augment(AugmentationConfig(), False, 1) is None


def test_a_step_is_changed_the_same_way_again_and_every_step_another_way(change):
    images, targets = pixels(), labels()
    first, again, later, other = (
        change(images, targets, step, seed=seed, **ALL)[0]
        for step, seed in ((3, 1), (3, 1), (4, 1), (3, 2))
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - later).mean() > 1
    assert np.abs(first - other).mean() > 1


@pytest.mark.parametrize("key", ALL)
def test_each_change_keeps_shape_dtype_and_range(change, key):
    images, targets = pixels(), labels()
    changed, kept = change(images, targets, **{key: ALL[key]})
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert -1e-3 <= changed.min() <= changed.max() <= 255.001
    assert np.abs(changed - images).max() > 1
    np.testing.assert_array_equal(kept, targets)


def test_flip_mirrors_about_half_of_the_images_with_their_masks(change):
    images = pixels(64)
    masks = np.random.default_rng(1).integers(0, 3, (64, 16, 16)).astype(np.uint8)
    _, still = change(images, masks, masks=True, **STILL)
    np.testing.assert_array_equal(still, masks)
    changed, moved = change(images, masks, masks=True, flip=True)
    flipped = [not np.array_equal(a, b) for a, b in zip(images, changed, strict=True)]
    assert 20 < sum(flipped) < 44
    for image, mask, new, new_mask, was in zip(images, masks, changed, moved, flipped, strict=True):
        np.testing.assert_array_equal(new, image[:, ::-1] if was else image)
        np.testing.assert_array_equal(new_mask, mask[:, ::-1] if was else mask)


def test_masks_move_with_their_images_and_stay_class_ids(change):
    """The image is drawn from the mask, so after any move it still shows the mask."""
    rng = np.random.default_rng(2)
    masks = np.ones((12, 48, 48), np.uint8)
    for mask in masks:
        top, left = rng.integers(6, 20, 2)
        mask[top : top + 20, left : left + 16] = 0
    images = np.repeat(masks[..., np.newaxis] * 200.0, 3, axis=-1).astype(np.float32)
    changed, moved = change(images, masks, masks=True, **MOVES)
    assert moved.dtype == np.uint8
    assert set(np.unique(moved)) == {0, 1}
    assert (moved != masks).mean() > 0.05
    # Bilinear against nearest neighbour: they differ by at most the pixels of an edge.
    agree = (changed[..., 0] > 100) == (moved == 1)
    assert agree.mean() > 0.98


def test_contrast_and_saturation_go_both_ways_around_what_they_were(change):
    # Contrast is measured by the spread of grey levels around the middle.
    images = np.full((64, 8, 8, 3), 100.0, np.float32)
    images[:, ::2] = 150.0
    changed, _ = change(images, labels(64), contrast=0.3)
    ratios = changed.std(axis=(1, 2, 3)) / 25.0
    assert 0.69 < ratios.min() < 0.85
    assert 1.15 < ratios.max() < 1.31
    images = np.tile(np.array([200.0, 120.0, 120.0], np.float32), (64, 4, 4, 1))
    changed, _ = change(images, labels(64), saturation=0.3)
    before = 80.0 / 200.0
    ratios = (1.0 - changed[:, 0, 0, 1] / changed[:, 0, 0, 0]) / before
    assert 0.5 < ratios.min() < 0.85
    assert 1.15 < ratios.max() < 1.9


def test_hue_turns_by_at_most_its_share(change):
    images = np.tile(np.array([200.0, 40.0, 40.0], np.float32), (64, 4, 4, 1))  # hue 0
    changed, _ = change(images, labels(64), hue=0.1)
    hues = [colorsys.rgb_to_hsv(*(image[0, 0] / 255.0))[0] for image in changed]
    turns = np.array([hue if hue < 0.5 else hue - 1.0 for hue in hues])
    assert -0.101 < turns.min() < -0.05
    assert 0.05 < turns.max() < 0.101


def test_erasing_hits_its_share_of_images_and_area(change):
    images = np.full((200, 32, 32, 3), 60.0, np.float32)
    changed, _ = change(images, labels(200), erasing=0.25, erasing_scale=[0.1, 0.2])
    areas = (changed != 60.0).any(axis=-1).mean(axis=(1, 2))
    hit = areas[areas > 0]
    assert 30 < len(hit) < 72
    # Noise may draw the old grey by chance, and a rectangle ends between pixels.
    assert hit.min() > 0.07
    assert hit.max() < 0.25


def test_mixup_blends_images_and_labels_alike(change):
    """Black images have label 0 and white ones 1, so a image's grey is its label."""
    targets = labels(32)
    images = np.broadcast_to(targets[..., None, None] * 255.0, (32, 8, 8, 3)).astype(np.float32)
    changed, blended = change(images, targets, mixup=0.4)
    np.testing.assert_allclose(changed[:, 0, 0, 0] / 255.0, blended[:, 0], atol=1e-5)
    assert ((blended > 0.05) & (blended < 0.95)).any()
    assert 0.0 <= blended.min() <= blended.max() <= 1.0


def test_in_tf_data_it_is_the_same_as_outside(change):
    images, targets = pixels(10).astype(np.uint8), labels(10)
    split = Split(images, targets)
    augment = make_augment(AugmentationConfig(**ALL), False, 1)
    plain = list(training_batches(split, 4, 1, 0, 2).as_numpy_iterator())
    changed = list(training_batches(split, 4, 1, 0, 2, augment=augment).as_numpy_iterator())
    assert len(plain) == len(changed) == 6
    for step, (before, after) in enumerate(zip(plain, changed, strict=True)):
        expected, _ = change(before[0], before[1], np.int64(step), **ALL)
        np.testing.assert_allclose(after[0], expected, atol=1e-3)
    # An epoch that is resumed sees what it would have seen.
    resumed = training_batches(split, 4, 1, 1, 2, augment=augment)
    for before, after in zip(changed[3:], resumed.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(before[0], after[0])
    assert isinstance(resumed, tf.data.Dataset)
