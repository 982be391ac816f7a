import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets.masks import MaskIds, open_mask, settle_masks, values_in
from components.datasets.palette import palette
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig
from serving.classes import Classes
from serving.errors import InputError

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


def _masks(root: Path, *masks: list[list[int]] | None) -> Listing:
    """Grey masks of the given values; None: a file that is no image."""
    for number, values in enumerate(masks):
        if values is None:
            (root / f"{number}.png").write_bytes(b"broken")
        else:
            Image.fromarray(np.array(values, np.uint8)).save(root / f"{number}.png")
    return Listing([Record(f"{n}.jpg", mask_path=f"{n}.png") for n in range(len(masks))])


def test_values_found_are_names_in_order(tmp_path):
    listing = _masks(tmp_path, [[10, 2]], None, [[0, 255]])
    listing.records.append(Record("9.jpg"))
    found = settle_masks(listing, tmp_path, DataConfig(ignored=255))
    assert found.classes == Classes(("0", "2", "10"), palette(("0", "2", "10")), 255)
    assert found.mapping == MaskIds((0, 2, 10), 255)
    assert [record.problem for record in found.records] == [None, None, None, "no mask"]


def test_255_beside_small_ids_is_ignored_and_told(tmp_path):
    for values, names in (([0, 127, 255], ("0", "127", "255")), ([0, 255], ("0", "255"))):
        found = settle_masks(_masks(tmp_path, [values]), tmp_path, DataConfig())
        assert (found.classes.names, found.classes.ignored, found.notes) == (names, None, [])
    found = settle_masks(_masks(tmp_path, [[0, 1, 255]]), tmp_path, DataConfig())
    assert (found.classes.names, found.classes.ignored) == (("0", "1"), 255)
    (note,) = found.notes
    told = "255 beside ids below 100 is taken for ignored, as in PASCAL VOC and Cityscapes;"
    assert note.startswith(told)


def test_pinned_values_are_looked_for_until_all_were_seen(tmp_path):
    listing = _masks(tmp_path, [[10, 7]], [[2, 2]], [[2, 10]], None)
    found = settle_masks(listing, tmp_path, DataConfig(classes={"b": 2, "a": 10}))
    assert (found.classes.names, found.mapping) == (("b", "a"), MaskIds((2, 10)))
    assert [record.problem for record in found.records] == [None] * 4  # told when converted
    with pytest.raises(InputError, match=r"data\.classes: c: .* found none in 2 masks"):
        settle_masks(listing, tmp_path, DataConfig(classes={"b": 2, "a": 10, "c": 3}))
    with pytest.raises(InputError, match=r"no mask has .* alone: 7, 10, expected 0, 1 in '0.png'"):
        settle_masks(listing, tmp_path, DataConfig(classes=["a", "b"]))


def test_pinned_colors_are_the_colors_of_the_classes(tmp_path):
    Image.fromarray(np.array([[[128, 64, 128], [0, 0, 0]]], np.uint8)).save(tmp_path / "0.png")
    listing = Listing([Record("0.jpg", mask_path="0.png")])
    pins = {"road": [128, 64, 128], "sky": [0, 0, 0]}
    found = settle_masks(listing, tmp_path, DataConfig(classes=pins))
    assert found.classes == Classes(("road", "sky"), ((128, 64, 128), (0, 0, 0)))
    assert settle_masks(listing, tmp_path, DataConfig()).classes.names == ("#000000", "#804080")


@pytest.mark.parametrize(
    ("values", "keys", "told"),
    [
        ([[3, 3]], {}, r"classes: expected at least 2, found 1 \(3\)"),
        ([[1, 2]], {"min_share": {"cat": 0.1}}, "data.min_share: expected one of 1, 2, found cat"),
        ([list(range(256))], {}, "expected at most 255"),
        ([[0, 1]], {"ignored": [0, 0, 0]}, "data.ignored: expected an id"),
        ([[0, 1]], {"classes": ["a", "b"], "ignored": 1}, "data.ignored: .* value of a class"),
        (None, {}, "the masks: expected values that can be classes.* found none that can be read"),
    ],
)
def test_masks_that_are_no_classes_are_told(tmp_path, values, keys, told):
    with pytest.raises(InputError, match=told):
        settle_masks(_masks(tmp_path, values), tmp_path, DataConfig(**keys))
