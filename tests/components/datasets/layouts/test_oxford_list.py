import pytest

from components.datasets.layouts import auto
from components.datasets.records import Record
from components.datasets.settings import DataConfig

LIST = """#Image CLASS-ID SPECIES BREED ID
Abyssinian_1 1 1 1
Abyssinian_2 1 1 1
shiba_inu_7 34 2 24
american_bulldog_3 2 2 1
Bengal_1 6 1 2
Bengal_2 6 3 2
"""


@pytest.mark.parametrize(
    ("labels", "classes"),
    [("breed", ("Abyssinian", "american_bulldog", "shiba_inu")), ("species", ("cat", "dog"))],
)
def test_the_list_tells_the_class_and_what_is_missing(touch, labels, classes):
    names = ("Abyssinian_1", "american_bulldog_3", "shiba_inu_7", "Bengal_2", "new_1")
    root = touch(*(f"images/{name}.jpg" for name in names), "images/Abyssinian_1.mat")
    touch("annotations/trimaps/shiba_inu_7.png", "annotations/trimaps/._new_1.png")
    (root / "annotations/list.txt").write_text(LIST)
    listing = auto.read(root, DataConfig(labels=labels))
    assert (listing.classes, listing.missing) == (classes, 2)
    assert [(r.path, r.problem) for r in listing.records if r.problem] == [
        ("annotations/list.txt:7", "unreadable row"),
        ("images/Bengal_2.jpg", "not in the list"),
        ("images/new_1.jpg", "not in the list"),
    ]
    assert listing.records[-1] == Record(
        "images/shiba_inu_7.jpg",
        label=classes[-1],
        mask_path="annotations/trimaps/shiba_inu_7.png",
    )
