"""A projection beside a block that halves the picture: exact, and safe to train."""

import numpy as np
import pytest

# In a process of its own, because what must not happen is that it dies.
TRAIN = """
import numpy as np
from components import models

images = np.random.default_rng(0).uniform(0, 255, (61, 32, 32, 3)).astype("float32")
labels = np.eye(2, dtype="float32")[np.arange(61) % 2]
model = models.build("residual_convnet", 32, 2)
model.compile("sgd", "categorical_crossentropy")
model.fit(images, labels, batch_size=61, epochs=12, verbose=0)
"""


def test_an_odd_batch_of_pictures_does_not_end_the_process(zygote, tmp_path):
    program = tmp_path / "train.py"
    program.write_text(TRAIN)
    ended = zygote.call(program)
    assert ended.status == 0, ended.output


@pytest.mark.parametrize("size", [7, 8])
def test_a_projection_with_strides_is_a_convolution_of_every_second_pixel(size):
    import keras

    from components.models import blocks

    picture = np.random.default_rng(size).normal(size=(2, size, size, 3)).astype(np.float32)
    inputs = keras.Input((size, size, 3))
    half = keras.layers.MaxPooling2D(2, padding="same")(inputs)
    zeros = keras.layers.Conv2D(5, 1, use_bias=False, kernel_initializer="zeros")(half)
    model = keras.Model(
        inputs,
        blocks.residual_sum(zeros, inputs, strides=2, bias=True, name="b", output_name="sum"),
    )
    kernel, bias = model.get_layer("b_projection").get_weights()
    expected = picture[:, ::2, ::2] @ kernel[0, 0] + bias
    np.testing.assert_allclose(model.predict(picture, verbose=0), expected, atol=1e-5)
