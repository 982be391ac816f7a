import random
from collections import Counter

import numpy as np
import pytest

from components.datasets.records import Record
from components.example_gen.settings import ExampleGenConfig
from components.example_gen.splits import TEST, TRAIN, plan, split_index
from serving.errors import InputError

HASHED = (8, 1, 1)


def _plan(records: list[Record], **settings) -> tuple[list[tuple], list[str]]:
    planned, notes = plan(records, ExampleGenConfig(**settings))
    assert [record for record, _ in planned] == records
    return [lots for _, lots in planned], notes


def test_golden_splits():
    keys = ("0000000", "1ffffff", "0abcdef", "1a2b3c4")
    assert [split_index(key, [2, 3, 5]) for key in keys] == [1, 1, 2, 0]


def test_shares_follow_the_buckets():
    rng = np.random.default_rng(0)
    keys = [f"{number:07x}" for number in rng.integers(0, 2**25, 3000)]
    shares = Counter(split_index(key, [7, 2, 1]) for key in keys)
    assert [shares[index] / 3000 for index in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.025)
    # A fixed split is a lot of one bucket.
    assert {split_index(key, TEST) for key in keys} == {2}


def test_book_pets_is_the_books_order():
    """Listing 9.2's own lines, on names that sort otherwise than they are listed."""
    names = [f"{kind}_{i}.jpg" for kind in ("Persian", "beagle", "Abyssinian") for i in (1, 10, 2)]
    records = [Record(f"images/{name}", mask_path=f"masks/{name}") for name in names]
    records.append(Record("images/Zorro_1.jpg", problem="no mask"))

    input_img_paths = sorted(f"images/{name}" for name in names)
    random.Random(1337).shuffle(input_img_paths)
    train, validation = set(input_img_paths[:-4]), set(input_img_paths[-4:])

    lots, (note,) = _plan(records, split="book_pets", validation=4)
    drawn = {
        record.path: {split_index("any key", lot) for lot in drawn}
        for record, drawn in zip(records[:-1], lots[:-1], strict=True)
    }
    assert {path for path, splits in drawn.items() if splits == {0}} == train
    assert {path for path, splits in drawn.items() if splits == {1, 2}} == validation
    assert "same 4 images" in note


def test_book_pets_needs_more_images_than_it_holds_out():
    with pytest.raises(InputError, match=r"example_gen.validation: .*fewer than the 3 .*found 3"):
        _plan([Record(f"{i}.jpg") for i in range(3)], split="book_pets", validation=3)


def _told(*splits: str | None) -> list[Record]:
    return [Record(f"{i}.jpg", split=split) for i, split in enumerate(splits)]


@pytest.mark.parametrize("split", ["auto", "given"])
def test_the_splits_of_the_data_set(split):
    lots, (note,) = _plan(_told("train", "test", "eval", None), split=split)
    drawn = [[split_index("any key", lot) for lot in each] for each in lots]
    assert drawn == [[0], [2], [1], []]
    assert "those of the data set" in note


@pytest.mark.parametrize(("other", "name"), [("eval", "validation"), ("test", "test")])
def test_eval_is_taken_from_train_where_there_are_two(other, name):
    lots, notes = _plan(_told("train", other), train_buckets=6, eval_buckets=2)
    assert lots == [((6, 2, 0),), (TEST,)]
    assert f"has {name} only: it is the test split, and eval is taken from train" in notes[-1]


@pytest.mark.parametrize("told", [(), (None, None), ("train", "train"), ("eval", "test")])
def test_splits_that_are_not_told_are_hashed_unless_asked_for(told):
    records = _told(*told)
    assert _plan(records) == ([(HASHED,)] * len(told), [])
    with pytest.raises(InputError, match=r"example_gen.split: expected .*found .*split: hash"):
        _plan(records, split="given")


def test_hash_is_taken_where_asked_for():
    assert _plan(_told("train", "test"), split="hash") == ([(HASHED,)] * 2, [])
    # What cannot be used tells nothing.
    bad = Record("a.jpg", split="test", problem="unreadable row")
    assert _plan([*_told("train"), bad])[0] == [(HASHED,)] * 2
    assert _plan([*_told("train", "eval"), bad])[0][1] == (TEST,)
    assert TRAIN == (1, 0, 0)
