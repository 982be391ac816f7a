import itertools

import numpy as np
import pytest

from components.datasets.palette import palette
from serving.errors import InputError

# Vienot, Brettel, Mollon (1999), in linear RGB: another simulation than the one chosen by.
EYES = {
    "normal": np.eye(3),
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}


def names(count):
    return [f"class {number}" for number in range(count)]


@pytest.mark.parametrize("eye", EYES)
def test_few_are_told_apart_by_every_eye(eye):
    linear = (np.array(palette(names(8))) / 255) ** 2.2
    seen = np.clip(linear @ np.transpose(EYES[eye]), 0, 1) ** (1 / 2.2) * 255
    apart = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
    assert min(apart) > 25


@pytest.mark.parametrize("count", [2, 3, 9, 60, 255])
def test_any_number_distinct_and_always_the_same(count):
    colors = palette(names(count))
    assert len(colors) == len(set(colors)) == count
    assert all(type(value) is int and 0 <= value <= 255 for color in colors for value in color)
    assert palette(names(count)) == colors == palette(names(255))[:count]


def test_the_book_keeps_its_own():
    book = ("foreground", "background", "contour")
    assert palette(book) == ((230, 159, 0), (30, 64, 110), (245, 245, 240))
    assert palette(book[::-1]) != palette(book)[::-1]


def test_no_more_than_a_mask_holds():
    with pytest.raises(InputError, match="at most 255, found 256 classes"):
        palette(names(256))
