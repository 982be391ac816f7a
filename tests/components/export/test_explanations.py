import io

import numpy as np
import pytest
import tensorflow as tf
from matplotlib import colormaps
from PIL import Image, ImageOps

from components.explanations.overlay import overlay_png
from serving import names

CASES = ("classification", "five", "segmentation", "regions")


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)), int)


def _under_jet(pixels: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    colours = np.asarray(colormaps["jet"](np.round(heatmap * 255).astype(int)))[..., :3] * 255
    return (pixels + 0.4 * colours) / 1.4


def _same(answers, row, others, other_row):
    for key, value in answers.items():
        if key == names.OUTPUT_OVERLAY_PNG:
            one, other = (_pixels(png) for png in (value[row], others[key][other_row]))
            np.testing.assert_allclose(one, other, atol=1)
        elif value.dtype == object:
            assert value[row] == others[key][other_row]
        else:
            np.testing.assert_allclose(value[row], others[key][other_row], atol=1e-5)


def test_minus_one_explains_the_foreground_of_a_mask(exported, pictures):
    model = exported["segmentation"]
    default, foreground, contour = (model.explain(pictures, index) for index in (-1, 0, 2))
    for row in range(len(pictures)):
        _same(default, row, foreground, row)
    assert {x.decode() for x in foreground[names.OUTPUT_LABEL]} == {"foreground"}
    assert {x.decode() for x in contour[names.OUTPUT_LABEL]} == {"contour"}
    assert np.abs(contour[names.OUTPUT_HEATMAP] - foreground[names.OUTPUT_HEATMAP]).max() > 0.1


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("single", [1, [1]])
def test_one_index_is_meant_for_every_picture(exported, pictures, case, single):
    model = exported[case]
    for_all = model.explain(pictures, single)
    one_each = model.explain(pictures, [1] * len(pictures))
    for row in range(len(pictures)):
        _same(for_all, row, one_each, row)


@pytest.mark.parametrize(
    ("case", "asked"), [("classification", [0, 1, -1, 0]), ("segmentation", [2, -1, 0, 1])]
)
def test_each_picture_has_its_own_index(exported, pictures, case, asked):
    """As when a server puts the requests of several clients into one batch."""
    model = exported[case]
    together = model.explain(pictures, asked)
    for row, (picture, index) in enumerate(zip(pictures, asked, strict=True)):
        _same(together, row, model.explain([picture], [index]), 0)


@pytest.mark.parametrize(
    ("case", "index"),
    [("classification", i) for i in (2, 7, -2, [0, 1, 2, 0])]
    + [("segmentation", i) for i in (3, -2, [0, 0, 0, -2])]
    + [("five", 5), ("regions", 5)],
)
def test_an_index_that_names_no_class_is_refused(exported, pictures, case, index):
    default = {"segmentation": "foreground", "regions": "sky"}.get(case, "the predicted class")
    message = rf"class_index: expected -1 \({default}\) or one of 0 to"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        exported[case].explain(pictures, index)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("index", [[], [0, 1], [0] * 5, [[0, 1, 0, 1]]])
def test_neither_one_index_nor_one_a_picture_is_refused(exported, pictures, case, index):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"class_index: expected a scalar"):
        exported[case].explain(pictures, index)


@pytest.mark.parametrize("case", CASES)
def test_overlay_is_the_picture_at_its_own_size_under_jet(exported, pictures, case):
    answer = exported[case].explain(pictures, 1)
    sizes = set()
    for encoded, heatmap, overlay in zip(
        pictures, answer[names.OUTPUT_HEATMAP], answer[names.OUTPUT_OVERLAY_PNG], strict=True
    ):
        # TensorFlow's decoder: libjpeg's versions differ by a shade or two.
        own = tf.io.decode_image(encoded, channels=3).numpy().astype(float)
        picture = Image.open(io.BytesIO(overlay))
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", own.shape[1::-1])
        sizes.add(picture.size)
        stretched = tf.image.resize(heatmap[..., None], own.shape[:2])[..., 0].numpy()
        assert np.abs(np.asarray(picture) - _under_jet(own, stretched)).max() <= 0.51
    assert len(sizes) == len(pictures)


@pytest.mark.parametrize(
    ("size", "expected"), [((3, 2049), (3, 2048)), ((6000, 1), (2048, 1)), ((2048, 2), (2048, 2))]
)
def test_a_huge_picture_is_shrunk(encode, size, expected):
    """Left dark and right bright stays so, and no side vanishes."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, size[1] // 2 :] = 200
    (overlay,) = overlay_png(tf.constant([encode(pixels)]), tf.zeros((1, 4, 4))).numpy()
    shrunk = _pixels(overlay)
    assert shrunk.shape == (*expected, 3)
    if expected[1] > 1:
        for at, own in ((0, 0), (-1, 200)):
            assert np.abs(shrunk[0, at] - _under_jet(np.full(3, own), np.zeros(()))).max() <= 0.51


# Of JPEG, TensorFlow and Pillow decode other pixels.
@pytest.mark.parametrize(("kind", "near"), [("PNG", 1e-5), ("WEBP", 1e-5), ("JPEG", 0.05)])
def test_with_every_orientation_of_exif_it_is_the_upright_picture(exported, encode, kind, near):
    """No side or corner of it is like another."""
    blocks = np.random.default_rng(5).integers(0, 256, (4, 6, 3)) // [[[1, 2, 1]]]
    blocks[0, 0], blocks[-1, 0], blocks[0, -1] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    drawn, tagged, exif = np.kron(blocks, np.ones((16, 16, 1))), [], Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        tagged.append(encode(drawn, kind, exif=exif, lossless=True))
    opened = [Image.open(io.BytesIO(each)) for each in tagged]
    upright = [encode(ImageOps.exif_transpose(image)) for image in opened]
    found, expected = (exported["classification"].explain(each, -1) for each in (tagged, upright))
    for key in (names.OUTPUT_PROBABILITY, names.OUTPUT_HEATMAP):
        np.testing.assert_allclose(found[key], expected[key], atol=near)
    overlays, references = (
        [_pixels(png) for png in answer[names.OUTPUT_OVERLAY_PNG]] for answer in (found, expected)
    )
    for number, (overlay, reference) in enumerate(zip(overlays, references, strict=True)):
        assert overlay.shape == reference.shape
        assert np.abs(overlay - reference).mean() < 2
        # Were nothing turned, it would show.
        lies = overlay.shape == overlays[0].shape and np.abs(overlay - overlays[0]).mean() <= 20
        assert lies == (number == 0)


def test_another_explanation_is_what_the_endpoint_computes(export, pictures):
    """One from outside, here of the upper half whatever is asked."""

    def upper_half(trunk, head, images, score):
        _, probabilities = head(trunk(images, training=False), training=False)
        rows = tf.range(images.shape[1])[:, tf.newaxis] < images.shape[1] // 2
        maps = tf.ones(tf.shape(images)[:3]) * tf.cast(rows, tf.float32)
        return maps, probabilities

    model = export("classification", explain=upper_half)
    heatmaps = model.explain(pictures, -1)[names.OUTPUT_HEATMAP]
    side = heatmaps.shape[1]
    assert (heatmaps[:, : side // 2] == 1).all()
    assert (heatmaps[:, side // 2 :] == 0).all()
