"""Turns chosen pictures into the cards that the report shows."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from components import features
from components.interpreter import choosing, drawing
from components.interpreter.drawing import Figure
from components.interpreter.readers import Picture
from components.interpreter.scoring import (
    LabelScore,
    MaskScore,
    Predictor,
    batches,
    score_labels,
    score_masks,
)
from serving import names

EXAMPLES_PER_CLASS = 6
EXAMPLES_WITH_MASKS = 8

# Grad-CAM of a segmentation model explains the animal; the predicted class is mostly background.
EXPLAINED_MASK_CLASS = features.MASK_CLASS_NAMES.index("foreground")

# By position in the split: the Grad-CAM overlay as PNG, the name of the explained class.
Overlays = dict[int, tuple[bytes, str]]

ReadSplit = Callable[[], Iterator[Picture]]


@dataclass(frozen=True)
class Card:
    """One picture of the page.

    Attributes:
        filename: path relative to the data folder, as it is: the template escapes it.
        figures: its images.
        facts: what is known about it, as term and value.
    """

    filename: str
    figures: list[Figure]
    facts: list[tuple[str, str | float]] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """A plot or cards under one heading; `empty` is said where there is neither."""

    title: str
    note: str
    cards: list[Card]
    empty: str = ""
    plot: Figure | None = None


@dataclass(frozen=True)
class Predictions:
    """What the model answered on the test split.

    Attributes:
        scored: how many pictures or points the choice was made from.
        groups: the chosen ones.
        spread: for a segmentation model, term and value of the per-picture mean IoU.
    """

    scored: int
    groups: list[Group]
    spread: list[tuple[str, float]] = field(default_factory=list)


def example_groups(pictures: Iterable[Picture], problem: str) -> list[Group]:
    """Shows the first pictures of a split: some of every class, or some with their masks."""
    if problem == "segmentation":
        chosen = islice(pictures, EXAMPLES_WITH_MASKS)
        cards = [Card(picture.filename, _picture_and_mask(picture)) for picture in chosen]
        return [Group("With their masks", "The background is left bare.", cards, "No pictures.")]
    by_class: dict[str, list[Picture]] = {name: [] for name in features.CLASS_NAMES}
    for picture in pictures:
        if len(by_class[picture.label]) < EXAMPLES_PER_CLASS:
            by_class[picture.label].append(picture)
        if all(len(found) == EXAMPLES_PER_CLASS for found in by_class.values()):
            break
    return [
        Group(name, "", [_plain_card(picture, name) for picture in found], "No pictures.")
        for name, found in by_class.items()
    ]


def explain_labels(predictor: Predictor, read_split: ReadSplit, count: int) -> Predictions:
    """Scores a split with a classifier and explains `count` telling pictures."""
    scores = score_labels(predictor, read_split())
    choice = choosing.choose_labels(scores, count)
    pictures = _pick(read_split(), [*choice.wrong, *choice.right])
    overlays = _overlays(predictor, pictures, class_index=-1)

    def cards(chosen: list[LabelScore]) -> list[Card]:
        return [
            _label_card(score, pictures[score.index], overlays[score.index]) for score in chosen
        ]

    return Predictions(
        scored=len(scores),
        groups=[
            Group("Wrong", "The most confident ones first.", cards(choice.wrong), "None."),
            Group("Right", "From sure to hesitant, every class.", cards(choice.right), "None."),
        ],
    )


def explain_masks(predictor: Predictor, read_split: ReadSplit, count: int) -> Predictions:
    """Scores a split with a segmentation model and explains `count` telling pictures."""
    scores = score_masks(predictor, read_split())
    choice = choosing.choose_masks(scores, count)
    pictures = _pick(read_split(), [*choice.lowest, *choice.middle, *choice.highest])
    overlays = _overlays(predictor, pictures, class_index=EXPLAINED_MASK_CLASS)
    masks = _predicted_masks(predictor, pictures)

    def cards(chosen: list[MaskScore]) -> list[Card]:
        return [
            _mask_card(score, pictures[at], masks[at], overlays[at])
            for score in chosen
            for at in [score.index]
        ]

    groups = [
        Group("Lowest IoU", "The lowest first.", cards(choice.lowest), "None."),
        Group("Around the median", "", cards(choice.middle), "None."),
        Group("Highest IoU", "The highest first.", cards(choice.highest), "None."),
    ]
    return Predictions(len(scores), groups, spread=_spread(scores))


def _pick(pictures: Iterable[Picture], scores: list[LabelScore] | list[MaskScore]) -> dict:
    """The pictures at the scores' positions; the split is read no further than needed."""
    wanted = {score.index for score in scores}
    picked: dict[int, Picture] = {}
    if not wanted:
        return picked
    for index, picture in enumerate(pictures):
        if index in wanted:
            picked[index] = picture
        if len(picked) == len(wanted):
            break
    return picked


def _overlays(predictor: Predictor, pictures: dict[int, Picture], class_index: int) -> Overlays:
    """Calls Grad-CAM, a batch at a time."""
    overlays: Overlays = {}
    for batch in batches(pictures.items()):
        outputs = predictor.explain([picture.encoded for _, picture in batch], class_index)
        pngs = outputs[names.OUTPUT_OVERLAY_PNG].numpy()
        labels = outputs[names.OUTPUT_LABEL].numpy()
        for (index, _), png, label in zip(batch, pngs, labels, strict=True):
            overlays[index] = (png, label.decode("utf-8"))
    return overlays


def _predicted_masks(predictor: Predictor, pictures: dict[int, Picture]) -> dict[int, np.ndarray]:
    """By position, the predicted mask: uint8 [side, side], class ids."""
    masks: dict[int, np.ndarray] = {}
    for batch in batches(pictures.items()):
        outputs = predictor.predict([picture.encoded for _, picture in batch])
        for (index, _), mask in zip(batch, outputs[names.OUTPUT_MASK].numpy(), strict=True):
            masks[index] = mask
    return masks


def _plain_card(picture: Picture, name: str) -> Card:
    pixels = drawing.draw_picture(picture.encoded, drawing.fit(picture.width, picture.height))
    return Card(picture.filename, [drawing.photo(pixels, f"{name}: {picture.filename}")])


def _picture_and_mask(picture: Picture) -> list[Figure]:
    pixels = drawing.draw_picture(picture.encoded, drawing.fit(picture.width, picture.height))
    over = drawing.draw_mask_over(pixels, drawing.true_mask(picture, drawing.THUMBNAIL_SIDE))
    return [
        drawing.photo(pixels, f"Picture {picture.filename}"),
        drawing.photo(over, f"True mask over {picture.filename}"),
    ]


def _grad_cam(picture: Picture, overlay: tuple[bytes, str]) -> Figure:
    png, label = overlay
    pixels = drawing.draw_picture(png, drawing.fit(picture.width, picture.height))
    alt = f"Grad-CAM for {label} over {picture.filename}"
    return drawing.photo(pixels, alt, f"Grad-CAM for {label}")


def _label_card(score: LabelScore, picture: Picture, overlay: tuple[bytes, str]) -> Card:
    pixels = drawing.draw_picture(picture.encoded, drawing.fit(picture.width, picture.height))
    figures = [
        drawing.photo(pixels, f"Picture {picture.filename}", "picture"),
        _grad_cam(picture, overlay),
    ]
    facts: list[tuple[str, str | float]] = [
        ("truth", score.truth),
        ("prediction", score.predicted),
        ("probability", score.probability),
    ]
    return Card(picture.filename, figures, facts)


def _mask_card(
    score: MaskScore, picture: Picture, predicted: np.ndarray, overlay: tuple[bytes, str]
) -> Card:
    size = drawing.fit(picture.width, picture.height)
    name = picture.filename
    pixels = drawing.draw_picture(picture.encoded, size)
    truth = drawing.draw_mask(drawing.true_mask(picture, predicted.shape[0]), size)
    answer = drawing.draw_mask(predicted, size)
    figures = [
        drawing.photo(pixels, f"Picture {name}", "picture"),
        drawing.chart(truth, f"True mask of {name}", "true mask"),
        drawing.chart(answer, f"Predicted mask of {name}", "predicted mask"),
        _grad_cam(picture, overlay),
    ]
    facts: list[tuple[str, str | float]] = [("mean IoU", score.mean_iou)]
    for class_name, iou in zip(features.MASK_CLASS_NAMES, score.ious, strict=True):
        facts.append((f"IoU {class_name}", "absent" if math.isnan(iou) else iou))
    return Card(name, figures, facts)


def _spread(scores: list[MaskScore]) -> list[tuple[str, float]]:
    if not scores:
        return []
    means = [score.mean_iou for score in scores]
    return [
        ("lowest", float(np.min(means))),
        ("median", float(np.median(means))),
        ("mean", float(np.mean(means))),
        ("highest", float(np.max(means))),
    ]
