import re

import pytest

from components.datasets.settings import DataConfig


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"classes": ["a/b"], "ignored": [0]}, "at least 2 classes, found 1"),
        ({"classes": ["a/b"], "ignored": [0]}, "names in UTF-8 without '/', found 'a/b'"),
        ({"classes": ["a/b"], "ignored": [0]}, r"red, green, blue\], found \[0\]"),
        ({"classes": ["a", " "]}, "without '/', found ' '"),
        ({"classes": ["a", "b", "a"]}, "data.classes: 'a': expected one class"),
        ({"classes": {"a": ["x", "y"], "b": "y"}}, "'y': expected one class"),
        ({"classes": {"a": 1, "b": 1}}, "'1': expected one class"),
        ({"classes": {"a": [1, 2, 3], "b": [1, 2]}}, r"red, green, blue\], found \[1, 2\]"),
        ({"classes": {"a": [1, 2, 3], "b": 1}}, "ids or colors, found both"),
        ({"classes": ["a", "b"], "min_share": {"c": 0.1}}, "data.min_share: .*a, b, found 'c'"),
    ],
)
def test_what_cannot_be_pinned_is_told_all_at_once(keys, told):
    with pytest.raises(ValueError, match=told):
        DataConfig(**keys)


COLORS = {"a": [0, 0, 0], "b": [0, 0, 255]}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"classes": COLORS, "ignored": 255}, "ignored: expected .red, green, blue., .* found 255"),
        ({"classes": ["a", "b"], "ignored": [0, 0, 0]}, "ignored: expected an id, as the classes"),
        ({"classes": COLORS, "ignored": [0, 0, 255]}, "found .0, 0, 255., the value of a class"),
        ({"ignored": -1}, "data: values of masks: expected ids from 0, or colors .* 255, found -1"),
        ({"classes": {"a": -1, "b": 2}}, "expected ids from 0, .* found -1"),
        ({"classes": {**COLORS, "c": [300, 0, 0]}}, r"found \[300, 0, 0\]"),
        ({"classes": {"a": "x", "b": "y"}}, "data.classes.a: expected an id or"),
    ],
)
def test_values_that_masks_cannot_have(keys, told):
    (mistake,) = DataConfig(**keys).mask_mistakes()
    assert re.search(told, str(mistake))


def test_what_is_right_for_masks_is_not_for_labels():
    data = DataConfig(classes=["a", "b"], ignored=255, min_share={"a": 0.1})
    assert list(data.mask_mistakes()) == []
    told = [str(mistake) for mistake in data.label_mistakes()]
    assert told[0] == "data.ignored: expected none but for masks, found 255"
    assert len(told) == 2
    assert list(DataConfig(classes={"no": -1, "yes": 1}).label_mistakes()) == []


def test_pins_in_all_their_forms():
    assert DataConfig(classes=["b", "a"]).values() == {"b": 0, "a": 1}
    pins = DataConfig(classes={"cat": ["Cat", "cats"], "dog": "Dog", "id": 3})
    assert pins.names() == ["cat", "dog", "id"]
    assert list(pins.aliases().values()) == [["cat", "Cat", "cats"], ["dog", "Dog"], ["id", "3"]]
    with pytest.raises(ValueError, match=r"data\.classes\.cat: expected an id or \[red"):
        pins.values()
    masks = {"road": [128, 64, 128], "sky": [0, 0, 0]}
    assert DataConfig(classes=masks).values() == masks
    assert DataConfig.model_validate_json(pins.model_dump_json()) == pins
