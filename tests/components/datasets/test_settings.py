import pytest

from components.datasets.settings import DataConfig


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"classes": ["cat"]}, "data.classes: expected at least 2 classes, found 1"),
        ({"classes": ["a", "b/c"]}, "no '/' in a name, found 'b/c'"),
        ({"classes": ["a", "caf\udce9"]}, r"a name in UTF-8, found 'caf\\\\udce9'"),
        ({"classes": ["a", " "]}, "expected a name, found ' '"),
        ({"classes": ["a", "b", "a"]}, "data.classes: 'a': expected one class, found 2"),
        ({"classes": {"a": ["x", "y"], "b": "y"}}, "'y': expected one class, found 2"),
        ({"classes": {"a": 1, "b": 1}}, "'1': expected one class"),
        ({"classes": {"a": 1, "b": 70_000}}, "ids 0 to 65535, found 70000"),
        ({"classes": {"a": [1, 2, 3], "b": [1, 2]}}, r"each 0 to 255, found \[1, 2\]"),
        ({"classes": {"a": [1, 2, 3], "b": [1, 2, 256]}}, r"found \[1, 2, 256\]"),
        ({"classes": {"a": [1, 2, 3], "b": 1}}, "ids or colors, found both"),
        ({"classes": {"a": 0, "b": 1}, "ignored": 1}, "data.ignored: .*none of them, found 1"),
        ({"classes": {"a": 0, "b": 1}, "ignored": [0, 0, 0]}, "data.ignored: .*found .0, 0, 0"),
        ({"ignored": -1}, "data.ignored: expected ids 0 to 65535, found -1"),
        ({"classes": ["a", "b"], "min_share": {"c": 0.1}}, "data.min_share: .*a, b, found 'c'"),
    ],
)
def test_what_cannot_be_pinned_is_told(keys, told):
    with pytest.raises(ValueError, match=told):
        DataConfig(**keys)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ValueError) as error:
        DataConfig(classes=["a/b"], ignored=-1)
    assert all(text in str(error.value) for text in ("at least 2", "no '/'", "ids 0"))


def test_pins_in_all_their_forms():
    assert DataConfig(classes=["b", "a"]).values() == {"b": 0, "a": 1}
    pins = DataConfig(classes={"cat": ["Cat", "cats"], "dog": "Dog", "id": 3})
    assert pins.names() == ["cat", "dog", "id"]
    assert list(pins.aliases().values()) == [
        ["cat", "Cat", "cats"],
        ["dog", "Dog"],
        ["id", "3"],
    ]
    with pytest.raises(ValueError, match=r"data\.classes\.cat: expected an id or \[red"):
        pins.values()
    masks = {"road": [128, 64, 128], "sky": [0, 0, 0]}
    assert DataConfig(classes=masks).values() == masks
    assert DataConfig.model_validate_json(pins.model_dump_json()) == pins
