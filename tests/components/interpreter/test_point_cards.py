import io

import numpy as np
import pytest
from PIL import Image

from components.interpreter.point_cards import choose_points, explain_points
from components.interpreter.readers import Point
from components.interpreter.scoring import PointScore, Predictor

WRONG = [("w1", -3.0, "positive"), ("w2", 0.6, "negative"), ("w3", 0.5, "positive")]
RIGHT = [("r1", 5.0, "positive"), ("r2", 0.51, "positive"), ("r3", 0.4, "negative")]


@pytest.fixture
def scores():
    return [
        PointScore(Point(row, score, 0.0, truth), "positive" if score > 0.5 else "negative", score)
        for row, score, truth in [*WRONG, *RIGHT]
    ]


@pytest.mark.parametrize(
    ("count", "wrong", "right"),
    [
        (1, ["w1"], []),
        (3, ["w1", "w2"], ["r2"]),
        (4, ["w1", "w2"], ["r2", "r3"]),
        (6, ["w1", "w2", "w3"], ["r2", "r3", "r1"]),
        (9, ["w1", "w2", "w3"], ["r2", "r3", "r1"]),
    ],
)
def test_choice(scores, count, wrong, right):
    chosen = choose_points(scores, count)
    assert [[score.point.row for score in part] for part in chosen] == [wrong, right]


def test_where_one_kind_is_few_the_other_fills_up(scores):
    wrong, right = choose_points(scores[2:], 4)
    assert ([s.point.row for s in wrong], [s.point.row for s in right]) == (
        ["w3"],
        ["r2", "r3", "r1"],
    )
    wrong, right = choose_points(scores[:4], 4)
    assert len(wrong) == 3
    assert len(right) == 1


def _pixels(figure):
    import base64

    data = base64.b64decode(figure.src.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_the_line_is_drawn_where_the_model_decides(kit):
    """The model's score is x: the line stands upright at x = 0.5."""
    rng = np.random.default_rng(0)
    points = [
        Point(f"p:{n}", x, y, "positive" if x > 0.5 else "negative")
        for n, (x, y) in enumerate(rng.uniform(-2, 3, (80, 2)).tolist())
    ]
    predictor = Predictor(str(kit.point_model / "Format-Serving"))
    pixels = _pixels(explain_points(predictor, points, 4).groups[0].plot)
    black = pixels.max(axis=-1) < 60
    columns = black.sum(axis=0)
    # Three black columns run through the plot: its two sides and the line between them.
    tall = np.flatnonzero(columns > 0.7 * columns.max())
    groups = np.split(tall, np.flatnonzero(np.diff(tall) > 3) + 1)
    assert len(groups) == 3
    left, line, right = (group.mean() for group in groups)
    below_legend = slice(pixels.shape[0] // 8, None)
    blue = (pixels[below_legend, :, 2] - pixels[below_legend, :, 0] > 60).any(axis=0)
    orange = (pixels[below_legend, :, 0] - pixels[below_legend, :, 2] > 60).any(axis=0)
    assert np.flatnonzero(blue).max() < line + 8
    assert np.flatnonzero(orange).min() > line - 8
    assert left < np.flatnonzero(blue).min()
    assert np.flatnonzero(orange).max() < right
