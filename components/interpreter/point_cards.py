"""What the report shows of points: plots of the plane, and the points that tell most."""

import io
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from components import features
from components.interpreter import drawing
from components.interpreter.cards import Card, Group, Predictions
from components.interpreter.drawing import Figure
from components.interpreter.readers import Point
from components.interpreter.scoring import SCORED_AT_MOST, PointScore, Predictor, score_points
from serving import names

# Told apart without color as well; in order of POINT_CLASS_NAMES.
COLORS = ("#0072b2", "#d55e00")
MARKERS = ("o", "^")

_GRID = 101  # points of the plane asked for along each axis to find the line


def example_groups(points: Iterable[Point]) -> list[Group]:
    """Plots the first `SCORED_AT_MOST` points of a split."""
    points = iter(points)
    shown = list(islice(points, SCORED_AT_MOST))
    if not shown:
        return [Group("The plane", "", [], "No points.")]
    note = f"{'All' if next(points, None) is None else 'The first'} {len(shown):,} points."
    plot = _plot(shown, [], None, f"{len(shown)} training points by class")
    return [Group("The plane", note, [], plot=plot)]


def explain_points(predictor: Predictor, points: Iterable[Point], count: int) -> Predictions:
    """Scores a split, plots it with the model's decision, and lists `count` telling points."""
    scores = score_points(predictor, points)
    if not scores:
        return Predictions(0, [])
    wrong, hesitant = choose_points(scores, count)
    missed = [score.point for score in scores if not score.right]
    shown = [score.point for score in scores]
    alt = (
        f"{len(shown)} test points by true class, the line where the score is "
        f"{features.SCORE_THRESHOLD}, and rings around the {len(missed)} points predicted wrong"
    )
    note = f"The model decides at the line, where its score is {features.SCORE_THRESHOLD}."
    return Predictions(
        scored=len(scores),
        groups=[
            Group("The plane", note, [], plot=_plot(shown, missed, predictor, alt)),
            Group("Wrong", "The most confident ones first.", _cards(wrong), "None."),
            Group("Right", "The closest to the line first.", _cards(hesitant), "None."),
        ],
    )


def choose_points(
    scores: Sequence[PointScore], count: int
) -> tuple[list[PointScore], list[PointScore]]:
    """Half of them the most confidently wrong ones, the rest the right ones closest to the line.

    Where one kind is too few, the other fills up. Equal scores are ordered by row.
    """
    ranked = sorted(scores, key=lambda score: (score.distance, score.point.row))
    right = [score for score in ranked if score.right]
    wrong = sorted(
        (score for score in scores if not score.right),
        key=lambda score: (-score.distance, score.point.row),
    )
    wrong = wrong[: max((count + 1) // 2, count - len(right))]
    return wrong, right[: count - len(wrong)]


def _cards(scores: Sequence[PointScore]) -> list[Card]:
    return [
        Card(
            score.point.row,
            [],
            [
                ("truth", score.truth),
                ("prediction", score.predicted),
                ("score", score.score),
                ("x", score.point.x),
                ("y", score.point.y),
            ],
        )
        for score in scores
    ]


def _plot(
    points: Sequence[Point], missed: Sequence[Point], predictor: Predictor | None, alt: str
) -> Figure:
    """Draws points by class, with the model's decision where there is a model."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(6.4, 5.2), layout="constrained")
    FigureCanvasAgg(canvas)
    panel = canvas.subplots()
    for name, color, marker in zip(features.POINT_CLASS_NAMES, COLORS, MARKERS, strict=True):
        x, y = _coordinates([point for point in points if point.label == name])
        panel.scatter(x, y, s=22, c=color, marker=marker, alpha=0.7, linewidths=0, label=name)
    if missed:
        x, y = _coordinates(missed)
        panel.scatter(x, y, s=110, facecolors="none", edgecolors="black", label="predicted wrong")
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


def _draw_line(panel: Any, predictor: Predictor) -> None:
    """Draws where the score is the threshold, over what the points take up of the plane."""
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    x, y = np.meshgrid(np.linspace(left, right, _GRID), np.linspace(bottom, top, _GRID))
    plane = np.stack([x.ravel(), y.ravel()], axis=1)
    scores = predictor.predict_points(plane)[names.OUTPUT_SCORE].numpy().reshape(x.shape)
    # Nothing to draw where the whole plane is on one side; matplotlib would only warn.
    if scores.min() < features.SCORE_THRESHOLD < scores.max():
        panel.contour(x, y, scores, levels=[features.SCORE_THRESHOLD], colors="black", linewidths=1)
        panel.plot([], [], color="black", linewidth=1, label=f"score {features.SCORE_THRESHOLD}")


def _coordinates(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.x for point in points], [point.y for point in points]
