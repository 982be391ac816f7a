import numpy as np
import pytest
from keras import layers

from components import models
from components.models.cost import multiply_adds


@pytest.mark.parametrize("size", [96, 200])
def test_it_costs_less_than_a_seventh_of_the_convnet(size):
    convnet = multiply_adds(models.build("segmentation_convnet", size, 3))
    assert multiply_adds(models.build("xception_unet", size, 3)) < convnet / 7


def test_every_depth_is_joined_with_the_decoder():
    model = models.build("xception_unet", 200, 3)
    sizes = [model.get_layer(f"decoder{n}_join").output.shape[1:] for n in (4, 3, 2, 1)]
    # Channels from below and from beside; 25 is odd, so is 13.
    assert sizes == [
        (13, 13, 384 + 256),
        (25, 25, 192 + 128),
        (50, 50, 128 + 64),
        (100, 100, 64 + 32),
    ]


def test_dropout_takes_whole_channels_at_the_bottom():
    dropout = models.build("xception_unet", 64, 3, dropout=0.3).get_layer("dropout")
    assert isinstance(dropout, layers.SpatialDropout2D)
    assert dropout.rate == 0.3
    assert dropout.output.shape == (None, 2, 2, 384)
    without = models.build("xception_unet", 64, 3, dropout=0)
    assert "dropout" not in [layer.name for layer in without.layers]


@pytest.mark.slow
def test_thirty_steps_teach_it_to_find_a_square():
    # In inference: after so few steps the moving averages have to be up to date already.
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 120, (24, 32, 32, 3)).astype(np.float32)
    masks = np.ones((24, 32, 32), np.int32)  # background
    for image, mask, (top, left) in zip(images, masks, rng.integers(2, 18, (24, 2)), strict=True):
        place = slice(top, top + 12), slice(left, left + 12)
        image[place] += 130
        mask[place] = 0
    model = models.build("xception_unet", 32, 3)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[:16], masks[:16], batch_size=8, epochs=15, verbose=0, shuffle=False)
    found = model.predict(images[16:], verbose=0).argmax(-1) == 0
    wanted = masks[16:] == 0
    assert (found & wanted).sum() / (found | wanted).sum() > 0.8
