"""What the report shows of points: plots of the plane, and the points that tell most."""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from components import features
from components.datasets.examples import value_of
from components.reporting import drawing
from components.reporting.cards import Card, Group, Predictions
from components.reporting.choosing import LabelScore, choose_labels, hesitant, label_groups
from components.reporting.drawing import Figure
from components.reporting.predictor import SCORED_AT_MOST, Predictor
from components.tasks import parts
from serving import names

# Told apart without color as well; by class.
COLORS = ("#0072b2", "#d55e00")
MARKERS = ("o", "^")

_GRID = 101  # points of the plane asked for along each axis to find the line


class Points(NamedTuple):
    """Points of a split: float64 [n, 2], the class name and the row of each."""

    at: np.ndarray
    labels: list[str]
    rows: list[str]


class Part(parts.Report):
    """Plots of the plane, with the model's line; points on its wrong side, and close to it."""

    def example_groups(self, examples: Iterator[Any]) -> list[Group]:
        """A plot of the first `SCORED_AT_MOST` points."""
        points = _read(examples)
        count = len(points.rows)
        if not count:
            return [Group("The plane", "", [], "No points.")]
        note = f"{'All' if next(examples, None) is None else 'The first'} {count:,} points."
        plot = self._plot(points, [], None, f"{count} training points by class")
        return [Group("The plane", note, [], plot=plot)]

    def predictions(self, predictor: Predictor, read: parts.Read, count: int) -> Predictions:
        """A plot with the model's decision, and telling points."""
        points = _read(read())
        if not points.rows:
            return Predictions(0, [])
        answer = predictor.predict(**{names.INPUT_POINTS: points.at.astype(np.float32)})
        values = answer[names.OUTPUT_SCORE].tolist()
        said = [label.decode() for label in answer[names.OUTPUT_LABEL]]
        confidence = [abs(value - features.SCORE_THRESHOLD) for value in values]
        told = zip(points.rows, points.labels, said, confidence, strict=True)
        scores = [LabelScore(at, *of_one) for at, of_one in enumerate(told)]
        missed = [score.index for score in scores if not score.right]

        def card(score: LabelScore) -> Card:
            x, y = points.at[score.index].tolist()
            more = [("score", values[score.index]), ("x", x), ("y", y)]
            return Card(score.origin, [], [*score.facts, *more])

        alt = (
            f"{len(scores)} test points by true class, the line where the score is "
            f"{features.SCORE_THRESHOLD}, and rings around the {len(missed)} points predicted wrong"
        )
        note = f"The model decides at the line, where its score is {features.SCORE_THRESHOLD}."
        plane = Group("The plane", note, [], plot=self._plot(points, missed, predictor, alt))
        chosen = choose_labels(scores, count, hesitant)
        groups = label_groups(chosen, card, "The closest to the line first.")
        return Predictions(len(scores), [plane, *groups])

    def card(self) -> dict[str, Any]:
        """What the model is for."""
        return {
            "purpose": "Tells on which side of a line a point lies: a trial of the system, not of a"
            " model.",
            "output": f"a score; above {features.SCORE_THRESHOLD}: {self.classes.names[1]}",
            "intended_use": ["Seconds-long trials of a machine or a cluster with the whole"
                             " pipeline."],
            "limits": ["It draws one straight line and knows nothing of points far from the"
                       " training's."],
        }  # fmt: skip

    def _plot(
        self, points: Points, missed: list[int], predictor: Predictor | None, alt: str
    ) -> Figure:
        """Draws points by class, with the model's decision where there is a model."""
        # The object interface draws without a display and leaves pyplot's global state alone.
        from matplotlib.figure import Figure as Canvas

        canvas = Canvas(figsize=(6.4, 5.2), layout="constrained")
        panel = canvas.subplots()
        for name, color, marker in zip(self.classes.names, COLORS, MARKERS, strict=True):
            x, y = points.at[np.array(points.labels) == name].T
            panel.scatter(x, y, s=22, c=color, marker=marker, alpha=0.7, linewidths=0, label=name)
        if missed:
            x, y = points.at[missed].T
            panel.scatter(
                x, y, s=110, facecolors="none", edgecolors="black", label="predicted wrong"
            )
        if predictor is not None:
            _draw_line(panel, predictor)
        panel.set_xlabel("x")
        panel.set_ylabel("y")
        panel.set_aspect("equal")
        panel.grid(alpha=0.3)
        canvas.legend(loc="outside upper center", ncols=4, frameon=False)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="png", dpi=120)
        return drawing.curves(buffer.getvalue(), alt)


def _read(examples: Iterator[Any]) -> Points:
    """The first `SCORED_AT_MOST`."""
    read = list(islice(examples, SCORED_AT_MOST))
    x, y = ([value_of(one, key) for one in read] for key in (features.POINT_X, features.POINT_Y))
    labels, rows = (
        [value_of(one, key).decode("utf-8", "replace") for one in read]
        for key in (features.POINT_LABEL_NAME, features.POINT_ROW)
    )
    return Points(np.stack([x, y], axis=1), labels, rows)


def _draw_line(panel: Any, predictor: Predictor) -> None:
    """Draws where the score is the threshold, over what the points take up of the plane."""
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    x, y = np.meshgrid(np.linspace(left, right, _GRID), np.linspace(bottom, top, _GRID))
    plane = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    scores = predictor.predict(**{names.INPUT_POINTS: plane})[names.OUTPUT_SCORE].reshape(x.shape)
    # Nothing to draw where the whole plane is on one side; matplotlib would only warn.
    if scores.min() < features.SCORE_THRESHOLD < scores.max():
        panel.contour(x, y, scores, levels=[features.SCORE_THRESHOLD], colors="black", linewidths=1)
        panel.plot([], [], color="black", linewidth=1, label=f"score {features.SCORE_THRESHOLD}")
