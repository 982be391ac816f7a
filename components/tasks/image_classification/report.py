"""What the report shows of classified pictures."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

import numpy as np

from components.datasets.settings import listed
from components.reporting import diagnosis, images
from components.reporting.cards import Card, Group, Predictions
from components.reporting.choosing import LabelScore, choose_labels, hesitant, label_groups
from components.reporting.diagnosis import Answers
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
        """The most confidently wrong ones, the least sure ones, and right ones of every class."""
        answers, known = self._ask(predictor, read), self.classes.names
        rows, confidence = list(answers.rows(known)), answers.probabilities.max(axis=1).tolist()
        scores = [
            LabelScore(at, row["origin"], row["label"], row["predicted"], confidence[at])
            for at, row in enumerate(rows)
        ]
        found = choose_labels(scores, count)
        shown = {score.index for some in found for score in some}
        unsure = hesitant([s for s in scores if s.index not in shown], (count + 1) // 2)
        chosen = images.pick(read(), shown | {score.index for score in unsure})
        heatmaps = images.explain(predictor, chosen, dict.fromkeys(chosen, -1))

        def card(score: LabelScore) -> Card:
            figures = [images.picture(chosen[score.index], caption="image"), heatmaps[score.index]]
            return Card(score.origin, figures, [*score.facts, ("probability", score.confidence)])

        groups = label_groups(found, card, "From sure to hesitant, every class.")
        told = "Right or wrong, the lowest probability first, without those above and below."
        groups.insert(1, Group("Least sure", told, [card(score) for score in unsure], "None."))
        return Predictions(
            len(scores),
            groups,
            note=images.HEATMAP_NOTE,
            answers=answers,
            diagnosed=diagnosis.diagnosis(answers, known) if scores else None,
            rows=rows,
        )

    def suspects(
        self, predictor: Predictor, read: Mapping[str, parts.Read], tested: Predictions, count: int
    ) -> Group:
        """By confident learning over both splits; see `diagnosis.suspects`."""
        assert tested.answers is not None
        answers = [
            tested.answers if split == "test" else self._ask(predictor, examples)
            for split, examples in read.items()
        ]
        probabilities = np.concatenate([one.probabilities for one in answers])
        truth = np.concatenate([one.truth for one in answers])
        splits = [split for split, one in zip(read, answers, strict=True) for _ in one.keys]
        found = diagnosis.suspects(truth, probabilities)
        pooled = chain.from_iterable(
            islice(examples(), splits.count(split)) for split, examples in read.items()
        )
        chosen = images.pick(pooled, {row for row, _ in found[:count]})

        def card(row: int, suggested: int) -> Card:
            image, known = chosen[row], self.classes.names
            facts: list[tuple[str, str | float]] = [
                ("truth", image.label),
                ("its probability", float(probabilities[row, truth[row]])),
                ("the model says", known[suggested]),
                ("probability", float(probabilities[row, suggested])),
                ("split", splits[row]),
            ]
            return Card(image.filename, [images.picture(image)], facts)

        cards = [card(*suspect) for suspect in found[:count]]
        note = f"the first {len(cards)} are shown" if len(cards) < len(found) else ""
        title = f"{len(found):,} candidate{'s' * (len(found) != 1)} among {len(truth):,} labels"
        return Group(title, note, cards)

    def _ask(self, predictor: Predictor, read: parts.Read) -> Answers:
        """What the model says of the first images of a split."""
        keys, origins, truth, probabilities = [], [], [], []
        for _, image, answer in images.answers(predictor, images.first(read())):
            keys.append(image.key)
            origins.append(image.filename)
            truth.append(self.classes.names.index(image.label))
            probabilities.append(answer[names.OUTPUT_PROBABILITIES])
        shaped = np.reshape(np.array(probabilities, np.float64), (-1, len(self.classes)))
        return Answers(keys, origins, np.array(truth, np.int64), shaped)

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
                "The heatmap shows what speaks for a class inside the network; it is no proof of a"
                " reason.",
                images.STRETCHED,
            ],
        }
