"""Images for TensorBoard: when they are written."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.fit.callbacks import SAMPLES, SampleImages
from components.trainer.input.split import Split


@pytest.mark.parametrize(("every", "expected"), [(2, [0, 1, 3, 4]), (10, [0, 4])])
def test_written_every_few_epochs_and_in_the_first_and_last(tmp_path, every, expected, part):
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(loss="binary_crossentropy")
    split = Split(np.zeros((9, 4, 4, 3), np.uint8), np.zeros((9, 1), np.float32))
    draw = part("image_classification").draw_samples
    callback = SampleImages(split, draw, tmp_path / "samples", every)
    model.fit(np.zeros((2, 4, 4, 3)), np.zeros((2, 1)), epochs=5, verbose=0, callbacks=[callback])
    steps = []
    for path in (tmp_path / "samples").glob("*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                assert value.tag == "predictions"
                # Width and height, then the images themselves.
                assert len(value.tensor.string_val) == 2 + SAMPLES
                steps.append(event.step)
    assert sorted(steps) == expected
