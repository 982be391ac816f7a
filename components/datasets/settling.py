"""Which classes a listed data set has, and what of it cannot be used for that.

A record's own fault becomes its problem; fatal is only what leaves no data set.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig, name_mistakes, printable
from serving.classes import IGNORED, Classes
from serving.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from components.datasets.masks import MaskIds

NO_LABEL = "no class"
NOT_PINNED = "class not in data.classes"
TOO_FEW = "class with too few images"
TWO_CLASSES = "listed under two classes"
TWICE = "listed twice"
NO_MASK = "no mask"

_SHOWN = 5  # names in a message


def settle_labels(listing: Listing, data: DataConfig) -> Found:
    """Classes that are told by labels.

    Args:
        listing: of a layout's reader.
        data: `classes` pins names, order and aliases, `min_images` leaves small classes out.

    Returns:
        The records with their class's name, or a problem; the classes in the pinned order, else
        the listing's, else sorted.

    Raises:
        InputError: fewer than two classes, one without an image, a name that cannot be one.
    """
    records, notes = listing.records, list(listing.notes)
    if data.classes is None:
        labels = {record.label for record in records if record.label is not None}
        names = list(listing.classes or sorted(labels))
        records = [
            replace(r, problem=NO_LABEL) if r.label is None and not r.problem else r
            for r in records
        ]
        _tell(name_mistakes("a class's name", names))
        notes += _only_case(names)
    else:
        names = data.names()
        pinned = _Pinned(data)
        records = [pinned(record) for record in records]
    records = _listed_once(records)
    counts = Counter(record.label for record in records if not record.problem)
    _check_any(records, counts.total())
    small = {name: None for name in names if counts[name] < data.min_images}
    if small:
        notes.append(
            f"classes with fewer than {data.min_images} images left out: {_some(list(small))}"
        )
        records = [
            replace(r, problem=TOO_FEW, detail=f"{counts[r.label]} of {r.label}")
            if r.label in small and not r.problem
            else r
            for r in records
        ]
    # A pinned class that is not there at all is a mistake rather than a small one.
    empty = [n for n in names if not counts[n] and (data.classes is not None or n not in small)]
    if empty:
        raise InputError(
            f"classes without an image that can be used: {_some(empty)}",
            expected="images of every class",
            todo="add some, or name in data.classes those that there are",
        )
    return Found(
        records,
        Classes(_two([name for name in names if name not in small])),
        listing.missing,
        notes,
    )


def settle_masks(listing: Listing, root: Path, data: DataConfig) -> Found:
    """Classes that are told by the values of masks' pixels.

    Args:
        listing: of a layout's reader.
        root: the data folder, whose masks are opened: until all pinned classes were seen, and all
            of them where none are pinned.
        data: `classes` pins names, order and values, `ignored` is a value that counts nowhere.

    Returns:
        The records without labels; the classes in the pinned order, else by value; `mapping`.

    Raises:
        InputError: fewer than two classes, or more than a mask holds; a pinned one in no mask; no
            mask that fits the pinned ones.
    """
    from components.datasets.masks import MaskIds, values_in
    from components.datasets.palette import palette

    records = [
        replace(r, problem=r.problem or (None if r.mask_path or r.mask else NO_MASK), label=None)
        for r in _listed_once(listing.records)
    ]
    usable = [record for record in records if not record.problem]
    _check_any(records, len(usable))
    if data.classes is None:
        values = values_in(lambda: (mask for mask, _ in _masks(root, usable)))
        mapping = MaskIds(tuple(v for v in values if v != data.ignored) or (0,), data.ignored)
        names = mapping.names
    else:
        mapping = MaskIds(tuple(data.values().values()), data.ignored)
        names = data.names()
        _check_seen(root, usable, names, mapping)
    unknown = sorted(set(data.min_share) - set(names))
    if unknown:
        raise InputError("data.min_share", expected=f"one of {_some(names)}", found=_some(unknown))
    # The data set's own colors are what its users know.
    colors = tuple((v[0], v[1], v[2]) for v in mapping.values if isinstance(v, list))
    classes = Classes(
        _two(names), colors or palette(names), None if data.ignored is None else IGNORED
    )
    return Found(records, classes, listing.missing, list(listing.notes), mapping)


class _Pinned:
    """Gives a record the pinned name of its class, or the problem that there is none."""

    def __init__(self, data: DataConfig):
        exact = {alias: name for name, other in data.aliases().items() for alias in other}
        self._names = {alias.casefold(): name for alias, name in exact.items()} | exact

    def __call__(self, record: Record) -> Record:
        if record.label is None:
            return replace(record, problem=record.problem or NO_LABEL)
        name = self._names.get(record.label, self._names.get(record.label.casefold()))
        if name is None:
            detail = record.detail if record.problem else f"'{printable(record.label)}'"
            return replace(record, label=None, problem=record.problem or NOT_PINNED, detail=detail)
        return record if name == record.label else replace(record, label=name)


def _listed_once(records: list[Record]) -> list[Record]:
    """A file that stands in a list again is a problem; under another class both are."""
    labels: dict[str, set[str | None]] = {}
    for record in records:
        labels.setdefault(record.path, set()).add(record.label)
    if len(labels) == len(records):
        return records
    seen: set[str] = set()

    def checked(record: Record) -> Record:
        again = record.path in seen
        seen.add(record.path)
        others = labels[record.path]
        if record.problem:
            return record
        if len(others) > 1:
            return replace(record, problem=TWO_CLASSES, detail=_some(sorted(map(str, others))))
        return replace(record, problem=TWICE) if again else record

    return [checked(record) for record in records]


def _masks(root: Path, records: list[Record]) -> Iterator[tuple["Image.Image", Record]]:
    """Those that can be opened; the others are told of when they are converted."""
    from components.datasets.masks import BROKEN, open_mask

    for record in records:
        try:
            mask = open_mask(root, record)
        except BROKEN:
            continue
        yield mask, record


def _check_seen(root: Path, records: list[Record], names: list[str], mapping: "MaskIds") -> None:
    """Looks at masks until all classes were seen."""
    import numpy as np

    seen: set[int] = set()
    wrong, fitting = "", 0
    for mask, record in _masks(root, records):
        try:
            seen |= set(np.flatnonzero(np.bincount(mapping(mask).ravel())).tolist())
        except ValueError as error:
            wrong = wrong or f"{error} in '{record.mask_path or record.path}'"
            continue
        fitting += 1
        if len(seen - {IGNORED}) == len(names):
            return
    if not fitting:
        raise InputError(
            f"no mask has the values of data.classes alone: {wrong or 'no file can be read'}",
            todo="correct data.classes and data.ignored",
        )
    unseen = [name for index, name in enumerate(names) if index not in seen]
    raise InputError(
        f"data.classes: {_some(unseen)}",
        expected="pixels of every class in some mask",
        found=f"none in {fitting} masks",
    )


def _check_any(records: list[Record], usable: int) -> None:
    if not usable:
        problems = Counter(record.problem for record in records if record.problem)
        found = ", ".join(f"{count} with '{problem}'" for problem, count in problems.most_common(3))
        raise InputError("the data folder", expected="files that can be used", found=found)


def _two(names: list[str]) -> tuple[str, ...]:
    if len(names) < 2:
        raise InputError(
            "classes", expected="at least 2", found=f"{len(names)} ({_some(names) or 'none'})"
        )
    return tuple(names)


def _only_case(names: list[str]) -> Iterator[str]:
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(name.casefold(), []).append(name)
    for alike in by_fold.values():
        if len(alike) > 1:
            yield f"classes that differ in upper and lower case alone: {_some(alike)}"


def _tell(mistakes: Iterator[InputError]) -> None:
    for mistake in mistakes:
        raise mistake


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
