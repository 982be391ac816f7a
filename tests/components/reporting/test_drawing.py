import base64
import io

import numpy as np
from PIL import Image

from components.reporting import drawing

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
