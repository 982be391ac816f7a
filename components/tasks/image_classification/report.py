"""What the report shows of classified pictures."""

from collections.abc import Iterator
from typing import Any

from components.reporting import images
from components.reporting.cards import Card, Group, Predictions, listed
from components.reporting.choosing import LabelScore, choose_labels, label_groups
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
        by_class: dict[str, list[Card]] = {name: [] for name in shown}
        for image in map(StoredImage.of, examples):
            found = by_class.get(image.label)
            if found is not None and len(found) < EXAMPLES_PER_CLASS:
                figure = images.picture(image, f"{image.label}: {image.filename}")
                found.append(Card(image.filename, [figure]))
                if all(len(some) == EXAMPLES_PER_CLASS for some in by_class.values()):
                    break
        groups = [Group(name, "", cards, "No images.") for name, cards in by_class.items()]
        if len(shown) < len(self.classes):
            rest = f"The first {len(shown)} of them are shown."
            groups.insert(0, Group(f"{len(self.classes):,} classes", "", [], rest))
        return groups

    def predictions(self, predictor: Predictor, read: parts.Read, count: int) -> Predictions:
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
        found = choose_labels(scores, count)
        chosen = images.pick(read(), {score.index for some in found for score in some})
        heatmaps = images.explain(predictor, chosen, dict.fromkeys(chosen, -1))

        def card(score: LabelScore) -> Card:
            figures = [images.picture(chosen[score.index], caption="image"), heatmaps[score.index]]
            return Card(score.origin, figures, [*score.facts, ("probability", score.confidence)])

        groups = label_groups(found, card, "From sure to hesitant, every class.")
        return Predictions(len(scores), groups, note=images.HEATMAP_NOTE)

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
