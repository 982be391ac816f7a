"""Pictures for TensorBoard: what is drawn, and when it is written."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def tensorboard():
    from components.trainer.records import tensorboard

    return tensorboard


def test_a_bar_tells_the_probability_of_the_true_class(tensorboard):
    images = np.full((2, 8, 20, 3), 100.0, np.float32)
    drawn = tensorboard.draw_classified(images, np.array([[1.0], [0.0]]), np.array([[0.75], [0.9]]))
    assert drawn.shape == (2, 14, 20, 3)
    assert (drawn[:, :8] == 100).all()
    lengths = (drawn[:, 8:].sum(axis=-1) > 0).sum(axis=2)
    assert (lengths == [[15], [2]]).all()
    right, wrong = drawn[0, -1, 0].astype(int), drawn[1, -1, 0].astype(int)
    assert right[1] > right[0]  # green
    assert wrong[0] > wrong[1]  # red


def test_masks_lie_side_by_side(tensorboard):
    truth = np.zeros((1, 4, 4), np.uint8)
    truth[0, 2:] = 1
    probabilities = np.zeros((1, 4, 4, 3), np.float32)
    probabilities[..., 0] = 1.0
    drawn = tensorboard.draw_segmented(np.zeros((1, 4, 4, 3), np.float32), truth, probabilities)
    assert drawn.shape == (1, 4, 12, 3)
    np.testing.assert_array_equal(drawn[0, :2, 4:8], drawn[0, :2, 8:])
    assert (drawn[0, 2:, 4:8] != drawn[0, 2:, 8:]).any()


@pytest.mark.parametrize(("every", "expected"), [(2, [0, 1, 3, 4]), (10, [0, 4])])
def test_written_every_few_epochs_and_in_the_first_and_last(tensorboard, tmp_path, every, expected):
    import keras
    import tensorflow as tf
    from components.trainer.input.split import Pictures

    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(loss="binary_crossentropy")
    split = Pictures(np.zeros((9, 4, 4, 3), np.uint8), np.zeros((9, 1), np.float32))
    callback = tensorboard.SamplePictures(split, "classification", tmp_path / "samples", every)
    model.fit(np.zeros((2, 4, 4, 3)), np.zeros((2, 1)), epochs=5, verbose=0, callbacks=[callback])
    steps = []
    for path in (tmp_path / "samples").glob("*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                assert value.tag == "predictions"
                # Width and height, then the pictures themselves.
                assert len(value.tensor.string_val) == 2 + tensorboard.SAMPLES
                steps.append(event.step)
    assert sorted(steps) == expected
