"""What a reader of a layout tells of a data folder, before anything is opened."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from serving.classes import Classes

if TYPE_CHECKING:
    from components.datasets.masks import MaskIds
    from components.datasets.settings import DataConfig


@dataclass(frozen=True)
class Record:
    """One Example to be."""

    path: str  # of its file, relative to the data folder, with "/"; of a row `file.csv:12`
    label: str | None = None  # the class name that the layout tells, as it stands there
    mask_path: str | None = None  # relative to the data folder
    number: int | None = None  # the file's among those of its class; None: its name is no number
    split: str | None = None  # `train`, `eval` or `test` where the data set itself tells
    values: tuple[float, ...] = ()  # of a row of numbers; empty for a picture
    content: bytes | None = None  # the encoded picture where it is no file of its own
    mask: bytes | None = None  # the encoded mask where it is no file of its own
    problem: str | None = None  # why it is of no use, if known: a short text, which is counted
    detail: str = ""  # what was found in it


@dataclass(frozen=True)
class Listing:
    """A data folder, listed."""

    records: list[Record]  # all that was found, sorted by path
    classes: tuple[str, ...] = ()  # in the layout's order; empty: it tells records' labels alone
    missing: int = 0  # files that a list names and the folder lacks
    notes: list[str] = field(default_factory=list)  # what the user should know, a line each


@dataclass(frozen=True)
class Found:
    """A listing whose classes are settled: what example_gen works on."""

    records: list[Record]  # labels are of `classes`, or None; what is of no use has its problem
    classes: Classes
    missing: int = 0  # as in `Listing`
    notes: list[str] = field(default_factory=list)
    mapping: "MaskIds | None" = None  # None where masks are no classes


# The reader of a layout: the data folder and the configuration's section `data` -> its listing.
# Raises InputError where the folder is not in that layout at all.
Reader = Callable[[Path, "DataConfig"], Listing]
