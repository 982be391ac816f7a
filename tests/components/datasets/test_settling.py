import pytest

from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels
from serving.classes import Classes
from serving.errors import InputError


def _listing(*labels: str | None, classes: tuple[str, ...] = ()) -> Listing:
    records = [Record(f"{number}.jpg", label=label) for number, label in enumerate(labels)]
    return Listing(records, classes, missing=7, notes=["a note"])


@pytest.mark.parametrize(
    ("classes", "data", "names"),
    [
        ((), {}, ("B", "a", "c")),
        (("c", "a", "B"), {}, ("c", "a", "B")),
        (("B", "a", "c"), {"classes": ["c", "B", "a"]}, ("c", "B", "a")),
    ],
)
def test_order_is_pinned_else_the_listings_else_sorted(classes, data, names):
    found = settle_labels(_listing("c", "a", "B", classes=classes), DataConfig(**data))
    assert found.classes == Classes(names)
    assert [record.label for record in found.records] == ["c", "a", "B"]
    assert (found.missing, found.notes, found.mapping) == (7, ["a note"], None)


def test_pins_take_other_names_and_leave_the_rest_out():
    data = DataConfig(classes={"cat": ["Cat", "cats"], "dog": "hound", "one": 1})
    labels = ("CATS", "cat", "Hound", "Bird", None, "caf\udce9", "1")
    found = settle_labels(_listing(*labels, classes=("Bird", "CATS", "Hound")), data)
    assert [(r.label, r.problem, r.detail) for r in found.records] == [
        ("cat", None, ""),
        ("cat", None, ""),
        ("dog", None, ""),
        (None, "class not in data.classes", "'Bird'"),
        (None, "no class", ""),
        (None, "class not in data.classes", "'caf\\udce9'"),
        ("one", None, ""),
    ]


CAFE = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("labels", "classes", "names", "told"),
    [
        (["10", "2", "1"], None, ("1", "10", "2"), None),  # as texts, in every layout
        ([*CAFE, "a"], None, ("a", CAFE[1]), None),
        ([CAFE[1], "A"], [CAFE[0], "a"], (CAFE[0], "a"), None),
        (["cat", "Cat", "a"], None, ("Cat", "a", "cat"), "case alone: Cat and cat;"),
    ],
)
def test_names_that_look_alike(labels, classes, names, told):
    found = settle_labels(_listing(*labels), DataConfig(classes=classes))
    assert found.classes.names == names
    assert {record.label for record in found.records} == set(names)
    assert found.notes[0] == "a note"
    assert (told or "") in " ".join(found.notes[1:])
    assert len(found.notes) == 1 + bool(told)


def test_a_class_that_only_validation_has_is_told():
    told = [("a", "train"), ("b", "train"), ("a", "eval"), ("c", "eval")]
    records = [Record(f"{n}.jpg", label=one, split=split) for n, (one, split) in enumerate(told)]
    found = settle_labels(Listing(records), DataConfig())
    assert found.notes == ["classes without an image in the train split: c"]


def test_a_file_under_two_classes_and_one_that_is_listed_again():
    twice = [Record("0.jpg", label="b"), Record("1.jpg", label="b"), Record("1.jpg", label="b")]
    listing = _listing("a", "b", "a")
    found = settle_labels(Listing(listing.records + twice), DataConfig())
    assert [(r.path, r.problem, r.detail) for r in found.records if r.problem] == [
        ("0.jpg", "listed under two classes", "a, b"),
        ("0.jpg", "listed under two classes", "a, b"),
        ("1.jpg", "listed twice", ""),
        ("1.jpg", "listed twice", ""),
    ]


@pytest.mark.parametrize("pinned", [None, ["a", "b", "c"]])
def test_small_classes_are_left_out(pinned):
    data = DataConfig(min_images=2, classes=pinned)
    found = settle_labels(_listing("a", "c", "b", "b", "c"), data)
    assert found.classes.names == ("b", "c")
    assert [(r.problem, r.detail) for r in found.records][:2] == [
        ("class with too few images", "1 of a"),
        (None, ""),
    ]
    assert found.notes == ["a note", "classes with fewer than 2 images left out: a"]


@pytest.mark.parametrize(
    ("labels", "keys", "told"),
    [
        (["a", "a"], {}, r"classes: expected at least 2, found 1 \(a\)"),
        (["a", "b"], {"min_images": 2}, r"found 0 \(none\)"),
        (["a", "b"], {"classes": ["a", "c"]}, "classes without an image .*: c: "),
        (["a", "b/c"], {}, "names in UTF-8 without '/', found 'b/c'"),
        (["a", "caf\udce9"], {}, r"without '/', found 'caf\\\\udce9'"),
        ([None, None], {}, "files that can be used, found 2 with 'no class'"),
        (["a", "b"], {"min_share": {"a": 0.1}}, "data.min_share: expected none but for masks"),
        (["a", "b"], {"classes": ["x", "y"]}, "found 2 with 'class not in data.classes'"),
        ([], {}, "files that can be used"),
    ],
)
def test_what_leaves_no_data_set_is_told_in_a_line(labels, keys, told):
    with pytest.raises(InputError, match=told) as error:
        settle_labels(_listing(*labels), DataConfig(**keys))
    assert "\n" not in str(error.value)


def test_an_empty_class_is_fatal_unless_left_out_or_not_pinned():
    listing = _listing("a", "b", classes=("a", "b", "empty"))
    with pytest.raises(InputError, match="classes without an image that can be used: empty"):
        settle_labels(listing, DataConfig())
    for keys in ({"classes": ["a", "b"]}, {"min_images": 1}):
        assert settle_labels(listing, DataConfig(**keys)).classes.names == ("a", "b")
