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
    """One Example to be.

    Attributes:
        path: of its file, relative to the data folder, with "/"; of a row of a file `file.csv:12`.
        label: the class name that the layout tells, as it stands there; None: it tells none.
        mask_path: of its mask, relative to the data folder; None: it has none.
        number: the file's number among those of its class; None: its name is no number.
        split: `train`, `eval` or `test` where the data set itself tells; else None.
        values: of a row of numbers; empty for a picture.
        content: the encoded picture where it is no file of its own; else None.
        mask: the encoded mask where it is no file of its own; else None.
        problem: why it cannot be used, where that is known already; a short text that counts are
            kept by.
        detail: what was found in it.
    """

    path: str
    label: str | None = None
    mask_path: str | None = None
    number: int | None = None
    split: str | None = None
    values: tuple[float, ...] = ()
    content: bytes | None = None
    mask: bytes | None = None
    problem: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Listing:
    """A data folder, listed.

    Attributes:
        records: all that was found, sorted by path.
        classes: the classes in the order in which the layout tells them; empty: it tells none but
            the records' labels.
        missing: files that a list names and the folder lacks.
        notes: what the user should know of how the folder was read, a line each.
    """

    records: list[Record]
    classes: tuple[str, ...] = ()
    missing: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """A listing whose classes are settled: what example_gen works on.

    Attributes:
        records: labels are names of `classes` or None; what cannot be used has its problem.
        classes: names in order, colors, ignored value.
        missing, notes: as in `Listing`.
        mapping: from the values of masks on disk to class ids; None where masks are no classes.
            Small, and made to be sent to where records are converted.
    """

    records: list[Record]
    classes: Classes
    missing: int = 0
    notes: list[str] = field(default_factory=list)
    mapping: "MaskIds | None" = None


# The reader of a layout: the data folder and the configuration's section `data` -> its listing.
# Raises InputError where the folder is not in that layout at all.
Reader = Callable[[Path, "DataConfig"], Listing]
