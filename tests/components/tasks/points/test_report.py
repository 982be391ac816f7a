import base64
import io

import numpy as np
from PIL import Image

from components import features
from components.datasets.examples import make_example
from components.tasks import get_task
from serving import names
from serving.classes import Classes


class Upright:
    """A model whose score is x: it decides at the line x = 0.5."""

    def predict(self, **inputs):
        x = inputs[names.INPUT_POINTS][:, 0]
        return {
            names.OUTPUT_SCORE: x,
            names.OUTPUT_LABEL: np.where(x > features.SCORE_THRESHOLD, b"positive", b"negative"),
        }


def stored(row, x, y):
    label = b"positive" if x > features.SCORE_THRESHOLD else b"negative"
    return make_example(
        {
            features.POINT_ROW: f"a.csv:{row}",
            features.POINT_LABEL_NAME: label,
            features.POINT_X: x,
            features.POINT_Y: y,
        }
    )


def test_the_line_is_drawn_where_the_model_decides():
    rng = np.random.default_rng(0)
    points = [stored(row, *xy) for row, xy in enumerate(rng.uniform(-2, 3, (80, 2)).tolist())]
    part = get_task("points").report(Classes(("negative", "positive")))
    plot = part.predictions(Upright(), lambda: iter(points), 4).groups[0].plot
    data = base64.b64decode(plot.src.partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    columns = (pixels.max(axis=-1) < 60).sum(axis=0)
    # Three black columns run through the plot: its two sides and the line between them.
    tall = np.flatnonzero(columns > 0.7 * columns.max())
    groups = np.split(tall, np.flatnonzero(np.diff(tall) > 3) + 1)
    assert len(groups) == 3
    left, line, right = (group.mean() for group in groups)
    below_legend = slice(pixels.shape[0] // 8, None)
    blue = (pixels[below_legend, :, 2] - pixels[below_legend, :, 0] > 60).any(axis=0)
    orange = (pixels[below_legend, :, 0] - pixels[below_legend, :, 2] > 60).any(axis=0)
    assert left < np.flatnonzero(blue).min() < np.flatnonzero(blue).max() < line + 8
    assert line - 8 < np.flatnonzero(orange).min() < np.flatnonzero(orange).max() < right
