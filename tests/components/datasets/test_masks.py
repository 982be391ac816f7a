import io
import pickle

import numpy as np
import pytest
from PIL import Image

from components.datasets.masks import MaskIds, open_mask, values_in
from components.datasets.records import Record

COLORS = ([0, 0, 0], [128, 64, 128], [255, 255, 255])


def _palette(ids: list[list[int]]) -> Image.Image:
    image = Image.fromarray(np.array(ids, np.uint8), "P")
    image.putpalette([part for color in COLORS for part in color])
    return image


GREY = np.array([[0, 1], [2, 1]], np.uint8)
RGB = np.array(COLORS, np.uint8)[GREY]


@pytest.mark.parametrize(
    ("mask", "values"),
    [
        (Image.fromarray(GREY), (0, 1, 2)),
        (Image.fromarray(GREY.astype(np.uint16) * 300), (0, 300, 600)),
        (Image.fromarray(np.stack([GREY] * 3, axis=-1)), (0, 1, 2)),  # grey, saved in color
        (Image.fromarray(np.dstack([GREY, np.full_like(GREY, 255)]), "LA"), (0, 1, 2)),
        (_palette(GREY.tolist()), (0, 1, 2)),
        (_palette(GREY.tolist()), COLORS),
        (Image.fromarray(RGB), COLORS),
        (Image.fromarray(np.dstack([RGB, GREY])), COLORS),
        (Image.fromarray(np.array([[0, 255], [9, 255]], np.uint8)), ([0] * 3, [255] * 3, [9] * 3)),
    ],
)
def test_ids_of_every_kind_of_mask(mask, values, tmp_path):
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    records = Record("a", mask=buffer.getvalue()), Record("a", mask_path="a.png")
    for record in records:
        ids = MaskIds(values)(open_mask(tmp_path, record))
        assert ids.dtype == np.uint8
        np.testing.assert_array_equal(ids, GREY)
    # Another order, and a value that counts nowhere.
    ids = pickle.loads(pickle.dumps(MaskIds(values[1::-1], values[2])))(mask)
    np.testing.assert_array_equal(ids, np.array([1, 0, 255])[GREY])


@pytest.mark.parametrize(
    ("mask", "values", "told"),
    [
        (Image.fromarray(GREY), (0, 1), "^2, expected 0, 1$"),
        (Image.fromarray(GREY), (0, 2, 300), "^1, expected 0, 2, 300$"),
        (Image.fromarray(RGB), COLORS[:2], "^#ffffff, expected #000000, #804080$"),
        (Image.fromarray(RGB), (0, 1), "^colors, expected ids$"),
        (Image.fromarray(np.array([[-1, 0]], np.int32)), (0, 1), "^-1, expected 0, 1$"),
        (Image.fromarray(np.array([[0.5, 0]], np.float32)), (0, 1), "^the number 0.5$"),
        (Image.fromarray(np.arange(100, dtype=np.uint8)[None]), (0, 1), "^2, 3, 4, 5, 6, 7, 8, 9,"),
    ],
)
def test_values_of_no_class_are_told(mask, values, told):
    with pytest.raises(ValueError, match=told):
        MaskIds(values)(mask)


def test_values_in_masks():
    grey, color = Image.fromarray(GREY), Image.fromarray(RGB[:, 1:])
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert values_in(lambda: [grey, _palette([[7]])]) == [0, 1, 2, 7]
    assert values_in(lambda: [grey, color]) == [[0] * 3, [1] * 3, [2] * 3, COLORS[1]]
    assert values_in(lambda: [color, Image.fromarray(noise)]) == [COLORS[1]]
    steep = Image.fromarray(np.arange(1000, dtype=np.uint16)[None])
    assert values_in(lambda: [steep, grey]) == [0, 1, 2]
    large = Image.fromarray(np.array([[0, 1 << 30]], np.int32))
    assert values_in(lambda: [large]) == [0, 1 << 30]
    with pytest.raises(ValueError, match="none that can be read"):
        values_in(list)
    for mask, told in (
        (steep, "^more than 256 ids in a mask$"),
        (Image.fromarray(noise), "^more than 256 colors"),
        (Image.fromarray(np.array([[-1, 0]], np.int32)), "^the id -1$"),
    ):
        assert values_in(lambda mask=mask: [mask, grey]) in ([0, 1, 2], [[n] * 3 for n in range(3)])
        with pytest.raises(ValueError, match=told):
            values_in(lambda mask=mask: [mask])
