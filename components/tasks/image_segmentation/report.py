"""What the report shows of pictures with masks."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from components import preprocessing
from components.datasets.palette import BOOK, palette
from components.datasets.settings import listed
from components.metrics import confusion
from components.reporting import drawing, images
from components.reporting.cards import Card, Group, Predictions
from components.reporting.choosing import choose_thirds
from components.reporting.drawing import Figure
from components.reporting.images import StoredImage
from components.reporting.predictor import Predictor
from components.tasks import parts
from serving import names

EXAMPLES = 8
SPREAD = (("lowest", np.min), ("median", np.median), ("mean", np.mean), ("highest", np.max))
IOUS_SHOWN = 8  # of more classes only those in a picture's masks, the lowest first
OPACITY = 0.5
ERROR = (200, 20, 30)  # of a wrong pixel, over the picture in pale grey
# The animal shines through, the background is bare.
BOOK_OPACITIES = dict(zip(BOOK, (0.5, 0.0, 0.9), strict=True))


@dataclass(frozen=True)
class MaskScore:
    """How well a predicted mask covers the true one."""

    index: int  # position of the picture in the split
    key: str  # the split key
    filename: str  # path relative to the data folder
    ious: np.ndarray  # [classes], see `confusion.class_ious`
    pixels: np.ndarray  # [classes], of each class in the true mask

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that are in the true or the predicted mask; 0 without any."""
        return 0.0 if np.isnan(self.ious).all() else float(np.nanmean(self.ious))


class Part(parts.Report):
    """Pictures with their masks; the worst, middling and best answers, and what they rest on."""

    def example_groups(self, examples: Iterator[Any]) -> list[Group]:
        """The first pictures, with their masks."""
        cards = [
            self._example_card(StoredImage.of(example)) for example in islice(examples, EXAMPLES)
        ]
        note = "The background is left bare." if self.classes.names == BOOK else ""
        return [Group("With their masks", note, cards, "No images.")]

    def predictions(self, predictor: Predictor, read: parts.Read, count: int) -> Predictions:
        """Those with the lowest, a middling and the highest mean IoU."""
        scores = [
            self._score(index, image, answer[names.OUTPUT_MASK])
            for index, image, answer in images.answers(predictor, images.first(read()))
        ]
        ranked = sorted(scores, key=lambda score: (score.mean_iou, score.filename))
        thirds = choose_thirds(ranked, count)
        chosen = {score.index: score for third in thirds for score in third}
        stored = images.pick(read(), chosen)
        common = int(np.sum([score.pixels for score in scores], axis=0).argmax()) if scores else 0
        explained = {at: self._telling(score, common) for at, score in chosen.items()}
        heatmaps = images.explain(predictor, stored, explained)
        masks = {
            at: answer[names.OUTPUT_MASK]
            for at, _, answer in images.answers(predictor, stored.items())
        }
        lowest, middle, highest = (
            [
                self._card(score, stored[score.index], masks[score.index], heatmaps[score.index])
                for score in third
            ]
            for third in thirds
        )
        means = [score.mean_iou for score in scores]
        spread = [(name, float(of(means))) for name, of in SPREAD if means]
        return Predictions(
            len(scores),
            [
                Group("Lowest IoU", "The lowest first.", lowest, "None."),
                Group("Around the median", "", middle, "None."),
                Group("Highest IoU", "The highest first.", highest, "None."),
            ],
            note=images.HEATMAP_NOTE,
            spread=("Mean IoU of one image, over the classes in its masks:", spread),
            rows=[
                {"key": score.key, "origin": score.filename, "iou": round(score.mean_iou, 6)}
                for score in scores
            ],
        )

    def legend(self) -> list[tuple[str, str]]:
        """Every class with its color, and what counts nowhere."""
        known = zip(self.classes.names, self._colors, strict=True)
        ignored = [] if self.classes.ignored is None else [("ignored", drawing.IGNORED_COLOR)]
        return [(name, f"rgb{color}") for name, color in [*known, *ignored]]

    def card(self) -> dict[str, Any]:
        """What the model is for."""
        classes = listed(self.classes.names)
        return {
            "purpose": f"Marks which of {classes} every pixel of a picture belongs to.",
            "output": f"for each pixel one of {classes}",
            "intended_use": [
                "Photographs like the training's, of the same kinds of things and surroundings.",
                "Cutting things out of pictures and measuring how much of a picture they fill.",
            ],
            "limits": [
                "It knows no other answer: what is none of the classes is marked as one of them.",
                "Masks have the model's own size; thin parts are lost in it.",
                images.STRETCHED,
            ],
        }

    @property
    def _colors(self) -> tuple[tuple[int, int, int], ...]:
        return self.classes.colors or palette(self.classes.names)

    def _score(self, index: int, image: StoredImage, predicted: np.ndarray) -> MaskScore:
        truth = _true_mask(image, len(predicted))
        counts = confusion.count_pairs(truth, predicted, len(self.classes))
        ious = confusion.class_ious(counts)
        return MaskScore(index, image.key, image.filename, ious, counts.sum(axis=1))

    def _telling(self, score: MaskScore, common: int) -> int:
        """The class to explain: the foreground, or what fills most besides the commonest class."""
        if "foreground" in self.classes.names:
            return self.classes.names.index("foreground")
        others = score.pixels.copy()
        others[common] = 0
        return int(others.argmax()) if others.any() else common

    def _example_card(self, image: StoredImage) -> Card:
        pixels = drawing.draw_picture(image.encoded, image.size)
        mask = _true_mask(image, drawing.THUMBNAIL_SIDE)
        book = self.classes.names == BOOK
        opacities = [BOOK_OPACITIES[name] if book else OPACITY for name in self.classes.names]
        over = drawing.draw_mask_over(pixels, mask, self._colors, opacities)
        figures = [
            drawing.photo(pixels, f"Image {image.filename}"),
            drawing.photo(over, f"True mask over {image.filename}"),
        ]
        return Card(image.filename, figures)

    def _card(
        self, score: MaskScore, image: StoredImage, predicted: np.ndarray, heatmap: Figure
    ) -> Card:
        ids = _true_mask(image, len(predicted))
        truth = drawing.draw_mask(ids, image.size, self._colors)
        answer = drawing.draw_mask(predicted, image.size, self._colors)
        figures = [
            images.picture(image, caption="image"),
            drawing.chart(truth, f"True mask of {image.filename}", "true mask"),
            drawing.chart(answer, f"Predicted mask of {image.filename}", "predicted mask"),
            self._error(image, ids, predicted),
            heatmap,
        ]
        ious = list(zip(self.classes.names, score.ious.tolist(), strict=True))
        if len(ious) > IOUS_SHOWN:
            present = [(name, iou) for name, iou in ious if not math.isnan(iou)]
            ious = sorted(present, key=lambda pair: pair[1])[:IOUS_SHOWN]
        facts: list[tuple[str, str | float]] = [("mean IoU", score.mean_iou)]
        facts += [(f"IoU {name}", "absent" if math.isnan(iou) else iou) for name, iou in ious]
        return Card(image.filename, figures, facts)

    def _error(self, image: StoredImage, truth: np.ndarray, predicted: np.ndarray) -> Figure:
        """Where the masks differ; pixels that are no class count nowhere."""
        counted = truth < len(self.classes)
        wrong = counted & (truth != predicted)
        share = f"{wrong.sum() / max(1, counted.sum()):.1%}"
        grey = drawing.draw_picture(image.encoded, image.size).mean(axis=2, keepdims=True)
        pale = np.repeat(128 + grey.astype(np.uint8) // 2, 3, axis=2)
        over = drawing.draw_mask_over(pale, wrong.astype(np.uint8), (ERROR, ERROR), (0.0, 0.9))
        alt = f"Error of {image.filename}: {share} of the pixels are wrong"
        return drawing.photo(over, alt, f"error, {share} wrong")


def _true_mask(image: StoredImage, side: int) -> Any:
    """uint8 [side, side], class ids."""
    return preprocessing.decode_mask(image.mask, side).numpy()
