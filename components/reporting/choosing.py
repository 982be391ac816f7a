"""Chooses the Examples that the report shows, from their scores alone, always the same ones.

Equal scores are ordered by origin, so the choice does not depend on the order of the files.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.reporting.cards import Card, Group

Ranked = TypeVar("Ranked")


@dataclass(frozen=True)
class LabelScore:
    """What a model answered that gives every Example one class."""

    index: int  # position of the Example in the split
    origin: str  # the file or row that it was read from
    truth: str  # class name
    predicted: str  # class name
    confidence: float  # of the prediction, not negative

    @property
    def right(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.truth == self.predicted

    @property
    def facts(self) -> list[tuple[str, str | float]]:
        """For a card."""
        return [("truth", self.truth), ("prediction", self.predicted)]


def confident_first(scores: Sequence[LabelScore]) -> list[LabelScore]:
    """From the most to the least confident one."""
    return sorted(scores, key=lambda score: (-score.confidence, score.origin))


def hesitant(scores: Sequence[LabelScore], count: int) -> list[LabelScore]:
    """The least confident ones."""
    return sorted(scores, key=lambda score: (score.confidence, score.origin))[:count]


def of_every_class(scores: Sequence[LabelScore], count: int) -> list[LabelScore]:
    """Classes in turn, each spread from its most to its least confident one."""
    by_class: dict[str, list[LabelScore]] = defaultdict(list)
    for score in confident_first(scores):
        by_class[score.truth].append(score)
    longest = max(map(len, by_class.values()), default=0)
    places = [(turn, name) for turn in range(longest) for name in sorted(by_class)]
    turns = [name for turn, name in places if turn < len(by_class[name])][:count]
    spread = {name: iter(evenly(by_class[name], share)) for name, share in Counter(turns).items()}
    return [next(spread[name]) for name in turns]


def choose_labels(
    scores: Sequence[LabelScore],
    count: int,
    choose_right: Callable[[Sequence[LabelScore], int], list[LabelScore]] = of_every_class,
) -> tuple[list[LabelScore], list[LabelScore]]:
    """Half of them the most confidently wrong ones, most confident first; the rest right ones.

    Where one kind is too few, the other fills up, so `count` are chosen whenever there are as many
    scores. `choose_right` chooses so many of the right ones.
    """
    wrong = confident_first([score for score in scores if not score.right])
    right = [score for score in scores if score.right]
    wrong = wrong[: max((count + 1) // 2, count - len(right))]
    return wrong, choose_right(right, count - len(wrong))


def label_groups(
    chosen: tuple[list[LabelScore], list[LabelScore]], card: Callable[[LabelScore], Card], note: str
) -> list[Group]:
    """What `choose_labels` chose, as cards; the note tells in which order the right ones are."""
    wrong, right = ([card(score) for score in some] for some in chosen)
    return [
        Group("Worst mistakes", "The most confident ones first.", wrong, "None."),
        Group("Right", note, right, "None."),
    ]


def choose_thirds(
    ranked: Sequence[Ranked], count: int
) -> tuple[list[Ranked], list[Ranked], list[Ranked]]:
    """A third each of the first, the middle and the last ones, without overlap.

    The first get what does not divide by three: they teach most where the lowest score is first.
    The last third is turned round.
    """
    count = min(count, len(ranked))
    firsts, lasts = (count + 2) // 3, (count + 1) // 3
    middles = count - firsts - lasts
    between = ranked[firsts : len(ranked) - lasts]
    start = (len(between) - middles) // 2
    highest = ranked[len(ranked) - lasts :][::-1]
    return list(ranked[:firsts]), list(between[start : start + middles]), list(highest)


def evenly(ranked: Sequence[Ranked], count: int) -> list[Ranked]:
    """Members at even distances, the first and (from two on) the last among them."""
    count = min(count, len(ranked))
    step = (len(ranked) - 1) / max(count - 1, 1)
    return [ranked[round(position * step)] for position in range(count)]
