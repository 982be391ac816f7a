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
from components.reporting import drawing
from components.reporting.views import look_into
from serving.names import ASSETS_EXTRA, MODEL_FILE

COLORS = ((230, 159, 0), (30, 64, 110), (245, 245, 240))


def plain(color, width, height):
    return np.broadcast_to(np.asarray(color, np.uint8), (height, width, 3))


def unpack(figure):
    return Image.open(io.BytesIO(base64.b64decode(figure.src.partition(",")[2])))


def test_fit_keeps_the_ratio_and_never_enlarges():
    assert drawing.fit(500, 250, 240) == (240, 120)
    assert drawing.fit(100, 50, 240) == (100, 50)
    assert drawing.fit(5000, 3, 240) == (240, 1)


def test_draw_picture_keeps_shape_and_place(encode):
    halves = plain((10, 200, 10), 400, 100).copy()
    halves[:, :200] = (200, 10, 10)
    drawn = drawing.draw_picture(encode(halves), drawing.fit(400, 100, 240))
    assert drawn.shape == (60, 240, 3)
    np.testing.assert_array_equal(drawn[30, 20], (200, 10, 10))
    np.testing.assert_array_equal(drawn[30, 220], (10, 200, 10))


def test_a_mask_has_the_colors_of_its_classes_and_of_what_is_none():
    drawn = drawing.draw_mask(np.array([[0, 1], [2, 255]], np.uint8), (8, 6), COLORS)
    assert drawn.shape == (6, 8, 3)
    expected = [[COLORS[0], COLORS[1]], [COLORS[2], drawing.IGNORED_COLOR]]
    np.testing.assert_array_equal(drawn[::5, ::7], expected)


def test_a_mask_over_its_picture_leaves_bare_what_is_clear_or_no_class():
    picture = np.full((4, 4, 3), 100, np.uint8)
    mask = np.array([[0, 1], [0, 255]], np.uint8)
    drawn = drawing.draw_mask_over(picture, mask, COLORS, (0.5, 0.0, 0.9))
    np.testing.assert_array_equal(drawn[:, 2:], picture[:, 2:])
    np.testing.assert_array_equal(drawn[0, 0], [165, 130, 50])  # halfway to the first color


def test_packed_images_say_their_size():
    pixels = plain((10, 20, 30), 50, 40)
    for packed, kind in ((drawing.photo(pixels, "a"), "JPEG"), (drawing.chart(pixels, "a"), "PNG")):
        image = unpack(packed)
        assert image.format == kind
        assert image.size == (packed.width, packed.height) == (50, 40)


def test_curves_are_shrunk_and_opaque():
    clear = io.BytesIO()
    Image.new("RGBA", (2400, 1000), (0, 0, 0, 0)).save(clear, "PNG")
    packed = drawing.curves(clear.getvalue(), "curves")
    assert (packed.width, packed.height) == (1200, 500)
    assert unpack(packed).convert("RGB").getpixel((5, 5)) == (255, 255, 255)


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
    shown = np.asarray(unpack(views.layers[-1]).convert("L"))[:96, 2 * 97 : 2 * 97 + 96]
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
