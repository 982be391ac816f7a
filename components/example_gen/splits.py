"""Which split, or splits, an Example goes to. Final: a change moves data."""

import bisect
import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence

from components import features
from components.datasets.records import Record
from components.example_gen.settings import ExampleGenConfig
from serving.errors import InputError

# Hash buckets of train, eval and test: a key draws one of the three. A fixed split is a lot with
# a single bucket, and what goes to two splits draws two lots.
Lot = tuple[int, int, int]
TRAIN, EVAL, TEST = FIXED = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

# The book's `small` subset of cats-vs-dogs by file number of each class (listing 8.6).
BOOK_SMALL_BOUNDS = (1000, 1500, 2500)
BOOK_PETS_SEED = 1337  # of the shuffle in the book's section 9.2


def split_index(key: str, lot: Sequence[int]) -> int:
    """Which split a key, any text, belongs to: its SHA-256 modulo all buckets."""
    bounds = list(itertools.accumulate(lot))
    bucket = int(hashlib.sha256(key.encode()).hexdigest(), 16) % bounds[-1]
    return bisect.bisect(bounds, bucket)


def plan(
    records: Sequence[Record], config: ExampleGenConfig
) -> tuple[list[tuple[Record, tuple[Lot, ...]]], list[str]]:
    """Decides by what a listing tells, sorted by path, before anything is opened.

    Returns:
        Each record with the lots that its key will draw, none where it lies in no split; and what
        the user should know of it.

    Raises:
        InputError: the data does not tell what the split goes by.
    """
    told = {record.split for record in records if not record.problem} - {None}
    # A lone `train` folder says nothing about the other splits.
    mode = config.split
    if mode == "auto":
        mode = "given" if "train" in told and len(told) > 1 else "hash"
    notes: list[str] = []
    if mode == "hash":
        lots: Iterator[tuple[Lot, ...]] = itertools.repeat((config.buckets,), len(records))
    elif mode == "given":
        by_name = _given(told, config, notes)
        lots = (by_name.get(record.split, ()) for record in records)
    elif mode == "book_small":
        lots = (_book_small(record.number) for record in records)
    else:
        lots = _book_pets(records, config.validation, notes)
    return list(zip(records, lots, strict=True)), notes


def _given(
    told: set[str | None], config: ExampleGenConfig, notes: list[str]
) -> dict[str | None, tuple[Lot, ...]]:
    if "train" not in told or len(told) < 2:
        raise InputError(
            "example_gen.split",
            expected="data that tells its splits: train, and val or test",
            found=", ".join(sorted(map(str, told))) or "none told",
            todo="set example_gen.split: hash",
        )
    by_name: dict[str | None, tuple[Lot, ...]] = {
        name: (lot,) for name, lot in zip(features.SPLITS, FIXED, strict=True)
    }
    notes.append("the splits are those of the data set")
    if told != set(features.SPLITS):
        (other,) = told - {"train"}
        name = "validation" if other == "eval" else other
        notes.append(
            f"besides train the data set has {name} only: it is the test split, and eval is taken"
            " from train by hash"
        )
        by_name[other] = (TEST,)
        by_name["train"] = ((config.train_buckets, config.eval_buckets, 0),)
    return by_name


def _book_small(number: int | None) -> tuple[Lot, ...]:
    if number is None or number >= BOOK_SMALL_BOUNDS[-1]:
        return ()
    return (FIXED[bisect.bisect(BOOK_SMALL_BOUNDS, number)],)


def _book_pets(
    records: Sequence[Record], count: int, notes: list[str]
) -> Iterator[tuple[Lot, ...]]:
    paths = sorted(record.path for record in records if not record.problem)
    if count >= len(paths):
        raise InputError(
            "example_gen.validation",
            expected=f"fewer than the {len(paths)} images of the data set",
            found=str(count),
        )
    random.Random(BOOK_PETS_SEED).shuffle(paths)
    held_out = set(paths[-count:])
    notes.append(
        f"the book has no test split: eval and test hold the same {count} images, by which the"
        " epoch was chosen"
    )
    return ((EVAL, TEST) if record.path in held_out else (TRAIN,) for record in records)
