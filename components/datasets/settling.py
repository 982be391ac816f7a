"""Which classes a listed data set has, and what of it cannot be used for that.

A record's own fault becomes its problem; fatal is only what leaves no data set.
"""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial

from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig, listed, name_mistakes, printable
from serving.classes import Classes
from serving.errors import InputError

NO_MASK = "no mask"

some = partial(listed, most=5)  # names, for a message


def settle_labels(listing: Listing, data: DataConfig) -> Found:
    """Classes that are told by labels, in the pinned order, else the listing's, else sorted.

    Of the configuration `classes` pins names, order and aliases, `min_images` leaves small ones
    out. The records have their class's name, or a problem.

    Raises:
        InputError: fewer than two classes, one without an image, a name that cannot be one.
    """
    for mistake in data.label_mistakes():
        raise mistake
    labels = {record.label for record in listing.records if record.label is not None}
    told = list(listing.classes or sorted(labels))
    # Of a name in several forms of Unicode (macOS decomposes), the first is the class's.
    first = {_composed(name): name for name in reversed(told)}
    names = data.names() or [name for name in told if first[_composed(name)] == name]
    for mistake in name_mistakes("a class's name", names):
        raise mistake
    # An exact name goes before one in other letters.
    called = {_composed(alias): n for n, other in data.aliases().items() for alias in other}
    called = {alias.casefold(): name for alias, name in called.items()} | called
    if data.classes is None:
        called = first

    def named(record: Record) -> Record:
        label = record.label
        if label is None:
            return replace(record, problem=record.problem or "no class")
        label = _composed(label)
        name = called.get(label) or called.get(label.casefold())
        if name is None and not record.problem:
            found = f"'{printable(label)}'"
            return replace(record, label=None, problem="class not in data.classes", detail=found)
        return replace(record, label=name)

    records = listed_once([named(record) for record in listing.records])
    check_any(records)
    counts = Counter(record.label for record in records if not record.problem)
    small = [name for name in names if counts[name] < data.min_images]
    # A pinned class that is not there at all is a mistake rather than a small one.
    empty = [n for n in names if not counts[n] and (data.classes is not None or n not in small)]
    if empty:
        raise InputError(
            f"classes without an image that can be used: {some(empty)}",
            expected="images of every class",
            todo="add some, or name in data.classes those that there are",
        )
    notes = [*listing.notes, *_class_notes(records, [n for n in names if n not in small])]
    if small:
        notes.append(f"classes with fewer than {data.min_images} images left out: {some(small)}")
        left_out = set(small)
        records = [
            replace(
                r, problem="class with too few images", detail=f"{counts[r.label]} of {r.label}"
            )
            if r.label in left_out and not r.problem
            else r
            for r in records
        ]
    classes = Classes(two([name for name in names if name not in small]))
    return Found(records, classes, listing.missing, notes)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _class_notes(records: list[Record], names: list[str]) -> list[str]:
    """Classes that may be one by mistake, and those that the data's own splits leave untaught."""
    notes, alike = [], defaultdict(list)
    for name in names:
        alike[name.casefold()].append(name)
    twins = [" and ".join(same) for same in alike.values() if len(same) > 1]
    if twins:
        notes.append(
            f"classes that differ by case alone: {some(twins)}; data.classes can make one of them"
        )
    taught = {r.label for r in records if not r.problem and r.split in (None, "train")}
    untaught = [name for name in names if taught and name not in taught]
    if untaught:
        notes.append(f"classes without an image in the train split: {some(untaught)}")
    return notes


def listed_once(records: list[Record]) -> list[Record]:
    """A file that stands in a list again is a problem; under another class both are."""
    labels: dict[str, set[str]] = defaultdict(set)
    for record in records:
        labels[record.path].add(str(record.label))
    seen: set[str] = set()
    checked = list(records)
    for at, record in enumerate(records):
        told = sorted(labels[record.path])
        if not record.problem and len(told) > 1:
            checked[at] = replace(record, problem="listed under two classes", detail=some(told))
        elif not record.problem and record.path in seen:
            checked[at] = replace(record, problem="listed twice")
        seen.add(record.path)
    return checked


def check_any(records: list[Record]) -> None:
    """Refuses a data folder of which nothing can be used."""
    if all(record.problem for record in records):
        problems = Counter(record.problem for record in records)
        found = ", ".join(f"{count} with '{problem}'" for problem, count in problems.most_common(3))
        raise InputError("the data folder", expected="files that can be used", found=found)


def two(names: list[str]) -> tuple[str, ...]:
    """The names of classes, which are two at least."""
    if len(names) < 2:
        found = f"{len(names)} ({some(names) or 'none'})"
        raise InputError("classes", expected="at least 2", found=found)
    return tuple(names)
