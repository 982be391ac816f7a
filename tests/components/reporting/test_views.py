import base64
import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components import features, models
from components.datasets.examples import make_example
from components.preprocessing import decode_image
from components.reporting.views import look_into
from serving.names import ASSETS_EXTRA, MODEL_FILE

SIDE = 48


@pytest.fixture(scope="module")
def exported(export_as, tmp_path_factory):
    """A model and the folder that it was exported to."""
    keras.utils.set_random_seed(2)
    model = models.build("mini_xception", SIDE, 3)
    folder = tmp_path_factory.mktemp("model") / "exported"
    export_as("image_classification", models.spec("mini_xception"), model, folder, "a", "b", "c")
    return model, folder


def test_layers_from_fine_to_coarse_and_the_patterns_of_two(exported, encode):
    model, folder = exported
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    stored = {features.IMAGE: encode(pixels), features.FILENAME: "a.png"}
    example = make_example(stored | {features.WIDTH: SIDE, features.HEIGHT: SIDE})
    views = look_into(str(folder), iter([example]))
    assert views.image.alt == "Image a.png"
    names = [figure.caption.partition(":")[0] for figure in views.layers]
    sizes = [model.get_layer(name).output.shape[1] for name in names]
    assert len(set(sizes)) == len(sizes) == 4
    assert sizes == sorted(sizes, reverse=True)
    for figure, name, size in zip(views.layers, names, sizes, strict=True):
        channels = model.get_layer(name).output.shape[-1]
        assert f"{name}: 8 of {channels} channels, {size} x {size} each" in figure.alt
    # The third channel of the coarsest map, in grey of mean 128 and deviation 64.
    seen = keras.Model(model.input, model.get_layer(names[-1]).output)
    given = decode_image(tf.constant(stored[features.IMAGE]), SIDE)[None]
    channel = seen(given, training=False).numpy()[0, ..., 2]
    grey = np.clip((channel - channel.mean()) / channel.std() * 64 + 128, 0, 255)
    data = base64.b64decode(views.layers[-1].src.partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("L"))[:96, 2 * 97 : 2 * 97 + 96]
    block = 96 // len(grey)
    np.testing.assert_allclose(shown[block // 2 :: block, block // 2 :: block], grey, atol=2)
    layers = [layer.name for layer in model.layers]
    depths = [layers.index(one.caption.partition(":")[0]) / len(layers) for one in views.filters]
    assert depths == pytest.approx([1 / 3, 2 / 3], abs=0.15)


def test_without_a_picture_and_of_an_older_export(exported):
    _, folder = exported
    views = look_into(str(folder), iter([]))
    assert (views.image, views.layers, len(views.filters), views.problem) == (None, [], 2, "")
    (folder / ASSETS_EXTRA / MODEL_FILE).unlink()
    assert "without a description" in look_into(str(folder), iter([])).problem
