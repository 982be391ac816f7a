import base64
import io

import numpy as np
from PIL import Image

from components.interpreter import drawing


def unpack(figure):
    return Image.open(io.BytesIO(base64.b64decode(figure.src.partition(",")[2])))


def test_fit_keeps_the_ratio_and_never_enlarges():
    assert drawing.fit(500, 250, 240) == (240, 120)
    assert drawing.fit(100, 50, 240) == (100, 50)
    assert drawing.fit(5000, 3, 240) == (240, 1)


def test_draw_picture_keeps_shape_and_place(kit):
    halves = kit.plain((10, 200, 10), 400, 100).copy()
    halves[:, :200] = (200, 10, 10)
    drawn = drawing.draw_picture(kit.png(halves), drawing.fit(400, 100))
    assert drawn.shape == (60, 240, 3)
    np.testing.assert_array_equal(drawn[30, 20], (200, 10, 10))
    np.testing.assert_array_equal(drawn[30, 220], (10, 200, 10))


def test_draw_mask_has_the_colors_of_its_classes_only():
    mask = np.array([[0, 1], [2, 1]], np.uint8)
    drawn = drawing.draw_mask(mask, (8, 6))
    assert drawn.shape == (6, 8, 3)
    assert {tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist()} == set(drawing.MASK_COLORS)
    np.testing.assert_array_equal(drawn[5, 0], drawing.MASK_COLORS[2])
    np.testing.assert_array_equal(drawn[0, 7], drawing.MASK_COLORS[1])


def test_draw_mask_over_leaves_the_background_bare():
    picture = np.full((4, 4, 3), 100, np.uint8)
    mask = np.array([[0, 1], [0, 1]], np.uint8)
    drawn = drawing.draw_mask_over(picture, mask)
    np.testing.assert_array_equal(drawn[:, 2:], picture[:, 2:])
    np.testing.assert_array_equal(drawn[0, 0], [165, 130, 50])  # halfway to the first color


def test_packed_images_say_their_size(kit):
    pixels = kit.plain((10, 20, 30), 50, 40)
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
