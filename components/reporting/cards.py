"""What the report shows of Examples: cards under headings. Light."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.reporting.diagnosis import Answers
    from components.reporting.drawing import Figure


@dataclass(frozen=True)
class Card:
    """One Example on the page: its drawings, and what is known about it, as term and value."""

    origin: str  # path relative to the data folder, or row, as it is: the template escapes it
    figures: "list[Figure]"
    facts: list[tuple[str, str | float]] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """A plot or cards under one heading; `empty` is said where there is neither."""

    title: str
    note: str
    cards: list[Card]
    empty: str = ""
    plot: "Figure | None" = None


@dataclass(frozen=True)
class Predictions:
    """What the model answered on the test split."""

    scored: int  # how many Examples the choice was made from
    groups: list[Group]
    note: str = ""  # how to read their drawings
    # Title, and term and value of what else is known of all the scored ones.
    spread: tuple[str, list[tuple[str, float]]] = ("", [])
    answers: "Answers | None" = None  # of a classifier of images
    diagnosed: dict[str, Any] | None = None  # what they tell, see `diagnosis.diagnosis`
    rows: list[dict[str, Any]] | None = None  # for `artifacts.PREDICTIONS`; None: no such file
