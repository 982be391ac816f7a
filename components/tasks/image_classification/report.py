"""What the report shows of classified pictures."""

from collections.abc import Callable, Iterator
from typing import Any

from components.reporting import images
from components.reporting.cards import Card, Group, Predictions, listed
from components.reporting.choosing import LabelScore, choose_labels
from components.reporting.images import StoredImage
from components.reporting.predictor import Predictor
from components.tasks import parts
from serving import names

CLASSES_SHOWN = 8
EXAMPLES_PER_CLASS = 6


class Part(parts.Report):
    """Examples of every class; wrong and right answers, and where the model looked."""

    def example_groups(self, examples: Iterator[Any]) -> list[Group]:
        """The first pictures of each of the first classes."""
        shown = self.classes.names[:CLASSES_SHOWN]
        by_class: dict[str, list[StoredImage]] = {name: [] for name in shown}
        for image in map(StoredImage.of, examples):
            found = by_class.get(image.label)
            if found is not None and len(found) < EXAMPLES_PER_CLASS:
                found.append(image)
                if all(len(some) == EXAMPLES_PER_CLASS for some in by_class.values()):
                    break
        groups = [
            Group(name, "", [_plain_card(image) for image in found], "No images.")
            for name, found in by_class.items()
        ]
        if len(shown) < len(self.classes):
            rest = f"The first {len(shown)} of them are shown."
            groups.insert(0, Group(f"{len(self.classes):,} classes", "", [], rest))
        return groups

    def predictions(
        self, predictor: Predictor, read: Callable[[], Iterator[Any]], count: int
    ) -> Predictions:
        """The most confidently wrong ones, and right ones of every class."""
        scores = [
            LabelScore(
                index,
                image.filename,
                image.label,
                answer[names.OUTPUT_LABEL].decode(),
                float(answer[names.OUTPUT_PROBABILITY]),
            )
            for index, image, answer in images.answers(predictor, images.first(read()))
        ]
        wrong, right = choose_labels(scores, count)
        chosen = images.pick(read(), {score.index for score in [*wrong, *right]})
        heatmaps = images.explain(predictor, chosen, dict.fromkeys(chosen, -1))

        def cards(some: list[LabelScore]) -> list[Card]:
            return [
                Card(
                    score.origin,
                    [
                        images.picture(chosen[score.index], caption="image"),
                        heatmaps[score.index],
                    ],
                    [
                        ("truth", score.truth),
                        ("prediction", score.predicted),
                        ("probability", score.confidence),
                    ],
                )
                for score in some
            ]

        return Predictions(
            len(scores),
            [
                Group("Wrong", "The most confident ones first.", cards(wrong), "None."),
                Group("Right", "From sure to hesitant, every class.", cards(right), "None."),
            ],
            note=images.HEATMAP_NOTE,
        )

    def card(self) -> dict[str, Any]:
        """What the model is for."""
        classes = listed(self.classes.names)
        return {
            "purpose": f"Tells which of {classes} a picture shows, and where it looked.",
            "output": f"a probability for each of {classes}",
            "intended_use": [
                "Photographs like the training's, with one of the classes as their main subject.",
                "Sorting and searching pictures, where a wrong answer costs little.",
            ],
            "limits": [
                "It knows no other answer: a picture of anything else is called one of the classes"
                " as well, often with a high probability.",
                "The probabilities are the network's own; they were not calibrated.",
                "The heatmap shows what speaks for a class inside the network; it is no proof of a"
                " reason.",
                images.STRETCHED,
            ],
        }


def _plain_card(image: StoredImage) -> Card:
    figure = images.picture(image, f"{image.label}: {image.filename}")
    return Card(image.filename, [figure])
