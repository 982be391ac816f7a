"""Masks as they lie on disk, and what of them is stored: class ids from 0, ignored pixels 255."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from components.datasets.palette import palette
from components.datasets.pictures import load, read, turned
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig, Value
from components.datasets.settling import NO_MASK, check_any, listed_once, some, two
from components.tasks.parts import RejectedError
from serving.classes import IGNORED, Classes
from serving.errors import InputError
from serving.pictures import orientation

_SMALL = 100  # ids below this are counted up, rather than grey levels


def open_mask(
    root: Path, record: Record, seen: tuple[int, int] | None = None, tag: int = 1
) -> Image.Image:
    """The mask of a record, decoded, in the mode that it has on disk.

    Args:
        root: the data folder.
        record: it has a mask.
        seen: height and width of its picture, upright. If the mask has them it is taken as it is
            (of a square picture, too: labelling tools show it upright), else if it has those of
            the picture as stored, it is turned along. An EXIF orientation of its own goes first.
        tag: the picture's EXIF orientation.

    Raises:
        RejectedError: it cannot be read.
    """
    assert record.mask is not None or record.mask_path is not None, "a record without a mask"
    try:
        encoded = read(root, str(record.mask_path), record.mask)
        mask = load(encoded)
    except RejectedError as error:
        raise RejectedError("unreadable mask", error.detail) from error
    own = orientation(encoded)
    # The tag may be a stale copy of the picture's: then it counts as it lies, or not at all.
    for way in (own, 1, tag if own == 1 else 1):
        upright = turned(mask, way)
        if seen == (upright.height, upright.width):
            return upright
    return mask


def openable(root: Path, records: Iterable[Record]) -> Iterator[tuple[Image.Image, Record]]:
    """The masks that can be opened; the others are told of when they are converted."""
    for record in records:
        with contextlib.suppress(RejectedError):
            yield open_mask(root, record), record


@dataclass(frozen=True)
class MaskIds:
    """From the values of masks on disk to class ids."""

    values: tuple[Value, ...]  # of the classes, in order: ids of grey or palette pixels, or colors
    ignored: Value | None = None  # counts nowhere

    def __call__(self, mask: Image.Image) -> np.ndarray:
        """The ids that are stored, uint8 [height, width]: indices of `values`, or `IGNORED`.

        Takes masks in grey (8 or 16 bits), of a palette, or in color.

        Raises:
            ValueError: it holds other values; the text names some.
        """
        codes = _codes(mask, self.colors)
        ids = {_code(value): index for index, value in enumerate(self.values)}
        if self.ignored is not None:
            ids[_code(self.ignored)] = IGNORED
        known = np.array(sorted(ids))
        nearest = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        wrong = codes[known[nearest] != codes]
        if len(wrong):
            found = ", ".join(self.told(code) for code in np.unique(wrong)[:8].tolist())
            expected = ", ".join(self.told(code) for code in known[:8].tolist())
            raise ValueError(f"{found}, expected {expected}")
        return np.array([ids[code] for code in known.tolist()], np.uint8)[nearest]

    @property
    def colors(self) -> bool:
        """Whether its values are colors."""
        return isinstance(self.values[0], list)

    def told(self, code: int) -> str:
        """A value as a text: `7`, or `#804080`."""
        return f"#{code:06x}" if self.colors else str(code)

    @property
    def names(self) -> list[str]:
        """The values as names of classes."""
        return [self.told(_code(value)) for value in self.values]


def values_in(masks: Callable[[], Iterable[Image.Image]]) -> list[Value]:
    """All values in masks, sorted: colors if one of them is in color, else ids.

    Masks may be read twice. What has values that cannot be classes, or more of them than there can
    be, is left out: its own fault, which is found when it is converted.

    Raises:
        ValueError: there is no other; the text tells what the first of them holds.
    """
    for colors in (False, True):
        codes, wrong = set[int](), ""
        try:
            for mask in masks():
                try:
                    codes |= _codes_in(mask, colors)
                except _NoClassesError as error:
                    wrong = wrong or str(error)
        except _ColorsError:
            continue
        if not codes:
            raise ValueError(wrong or "none that can be read")
        return [[c >> 16, c >> 8 & 255, c & 255] if colors else c for c in sorted(codes)]
    raise AssertionError("every mask has colors")


class _ColorsError(ValueError):
    """Ids are asked of a mask in color."""


class _NoClassesError(ValueError):
    """A mask has values that cannot be classes."""


def _codes_in(mask: Image.Image, colors: bool) -> set[int]:
    if colors:
        counted = mask.convert("RGB").getcolors(IGNORED + 1) or []
        codes = {_code(list(color)) for _, color in counted}  # type: ignore[arg-type]
    else:
        codes = set(np.unique(_codes(mask, colors)).tolist())
    if not 0 < len(codes) <= IGNORED + 1:
        raise _NoClassesError(f"more than {IGNORED + 1} {'colors' if colors else 'ids'} in a mask")
    if min(codes) < 0:
        raise _NoClassesError(f"the id {min(codes)}")
    return codes


def _codes(mask: Image.Image, colors: bool) -> np.ndarray:
    """One number a pixel, integer [height, width]: the id, or the color as 0xRRGGBB.

    A palette's indices are ids, its entries colors. Transparency is dropped.

    Raises:
        ValueError: ids are asked of colors, or of fractions.
    """
    if colors:
        red, green, blue = np.moveaxis(np.asarray(mask.convert("RGB"), np.int64), -1, 0)
        return (red << 16) + (green << 8) + blue
    pixels = np.asarray(mask)
    if pixels.ndim == 3:
        # Grey that was saved in color is still grey.
        if pixels.shape[-1] > 2 and (pixels[..., :3] != pixels[..., :1]).any():
            raise _ColorsError("colors, expected ids")
        pixels = pixels[..., 0]
    if pixels.dtype == np.uint8:  # the usual one, and counted the fastest
        return pixels
    with np.errstate(invalid="ignore"):
        ids = pixels.astype(np.int64)
    if (ids != pixels).any():
        raise _NoClassesError(f"the number {pixels[ids != pixels][0]:g}")
    return ids


def _code(value: Value) -> int:
    return value if isinstance(value, int) else (value[0] << 16) + (value[1] << 8) + value[2]


def settle_masks(listing: Listing, root: Path, data: DataConfig) -> Found:
    """Classes that are told by the values of masks' pixels, in the pinned order, else by value.

    Of the configuration `classes` pins names, order and values, `ignored` counts nowhere. Masks in
    the data folder are opened until all pinned classes were seen, and all of them where none are
    pinned. The records have no labels.

    Raises:
        InputError: fewer than two classes, or more than a mask holds; a pinned one in no mask; no
            mask that fits the pinned ones; values that cannot be classes.
    """
    for mistake in data.mask_mistakes():
        raise mistake
    records = [
        replace(r, problem=r.problem or (None if r.mask_path or r.mask else NO_MASK), label=None)
        for r in listed_once(listing.records)
    ]
    check_any(records)
    usable = [record for record in records if not record.problem]
    if data.classes is None:
        mapping = _found_values(root, usable, data)
        names = mapping.names
    else:
        mapping = MaskIds(tuple(data.values().values()), data.ignored)
        names = data.names()
        _check_seen(root, usable, names, mapping)
    unknown = sorted(set(data.min_share) - set(names))
    if unknown:
        raise InputError("data.min_share", expected=f"one of {some(names)}", found=some(unknown))
    # The data set's own colors are what its users know.
    colors = tuple((v[0], v[1], v[2]) for v in mapping.values if isinstance(v, list))
    ignored = None if mapping.ignored is None else IGNORED
    classes = Classes(two(names), colors or palette(names), ignored)
    notes = list(listing.notes)
    if mapping.ignored != data.ignored:
        notes.append(
            f"{IGNORED} beside ids below {_SMALL} is taken for ignored, as in PASCAL VOC and"
            " Cityscapes; to make it a class, pin it in data.classes"
        )
    return Found(records, classes, listing.missing, notes, mapping)


def _found_values(root: Path, records: list[Record], data: DataConfig) -> MaskIds:
    """All values of masks are classes, but the ignored one."""
    wanted = "values that can be classes, in some mask"
    try:
        values = values_in(lambda: (mask for mask, _ in openable(root, records)))
    except ValueError as error:
        raise InputError("the masks", expected=wanted, found=str(error)) from error
    for mistake in data.mask_mistakes(values):
        raise mistake
    ignored = data.ignored
    if ignored is None and len(values) > 2 and values[-1] == IGNORED and values[-2] < _SMALL:  # type: ignore[operator]
        ignored = IGNORED
    return MaskIds(tuple(value for value in values if value != ignored), ignored)


def _check_seen(root: Path, records: list[Record], names: list[str], mapping: MaskIds) -> None:
    """Looks at masks until all classes were seen."""
    seen: set[int] = set()
    wrong, fitting = "", 0
    for mask, record in openable(root, records):
        try:
            seen.update(np.unique(mapping(mask)).tolist())
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
    raise InputError(
        f"data.classes: {some([name for index, name in enumerate(names) if index not in seen])}",
        expected="pixels of every class in some mask",
        found=f"none in {fitting} masks",
    )
