import pytest

from components.datasets.settings import DataConfig


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"classes": ["a/b"], "ignored": [0]}, "at least 2 classes, found 1"),
        ({"classes": ["a/b"], "ignored": [0]}, "names in UTF-8 without '/', found 'a/b'"),
        ({"classes": ["a/b"], "ignored": [0]}, r"red, green, blue\], found \[0\]"),
        ({"classes": ["a", "caf\udce9"]}, r"without '/', found 'caf\\\\udce9'"),
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
