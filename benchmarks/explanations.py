"""How good each method and layer explains a model: the grades that no masks are needed for.

Takes a model (`--model`, as `pawlens visualize` does) and pictures that it was not trained on
(`--data`: a folder of pictures for each class, named and ordered as the model's classes are), of
which the last ones by name are graded. `shift`: how many pixels further left than its mirror image
says the heat lies. With `--other`, a model of the same sort trained on shuffled labels (Adebayo et
al., 2018): the rank correlation of both models' heatmaps. All with half of their 95% intervals.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tools import Result, benchmark

METHODS = ("grad_cam", "grad_cam_plus_plus", "hires_cam")


def measure(
    _: Path,
    model: str = "",
    data: str = "",
    pictures: int = 80,
    layers: tuple[str, ...] = (),
    other: str = "",
) -> Iterator[Result]:
    if not model or not data:
        yield {"skipped": "needs --model and --data"}
        return
    from components.explanations.cutting import explainable
    from components.explanations.grades import Model, faithfulness, mosaic
    from components.explanations.grading import rivals_of
    from components.explanations.opening import open_model, read_image
    from components.explanations.sanity import rank_correlation

    opened = open_model(model)
    classes = sorted(path for path in Path(data).iterdir() if path.is_dir())
    each = pictures // len(classes)
    chosen = [(k, path) for k, one in enumerate(classes) for path in sorted(one.iterdir())[-each:]]
    labels = np.array([label for label, _ in chosen])
    images = np.stack([read_image(path, opened.side) for _, path in chosen])
    predict = _in_batches(lambda batch: opened.model(batch, training=False))
    probabilities = predict(images)
    predicted = probabilities.argmax(axis=1)
    for layer in layers or explainable(opened.model, opened.logits)[-1:]:
        for name in METHODS:
            asked = Model(predict, _explainer(opened, layer, name))
            heat = asked.explain(images, predicted)
            mirrored = asked.explain(images[:, :, ::-1], predicted)[:, :, ::-1]
            shares = mosaic(asked, images, labels, rivals_of(probabilities, labels))
            found = {
                "layer": layer,
                "method": name,
                "pictures": len(images),
                "mosaic": _told(shares),
                "faithfulness": _told(faithfulness(asked, images, predicted, heat)),
                "shift": _told((_centre(mirrored) - _centre(heat)) / 2),
            }
            if other:
                shuffled = _explainer(open_model(other), layer, name)(images, predicted)
                found["correlation"] = _told(rank_correlation(heat, shuffled))
            yield found


def _explainer(opened: Any, layer: str, name: str) -> Callable[..., np.ndarray]:
    from components.explanations import load_explanation
    from components.explanations.cutting import split_model
    from components.explanations.methods import class_score, heatmaps

    method = load_explanation(name)
    halves = split_model(opened.model, layer, opened.logits)

    def explain(images: Any, classes: Any) -> Any:
        maps, _ = method(*halves, images, lambda logits, _: class_score(logits, classes))
        return heatmaps(maps, (opened.side, opened.side))

    return _in_batches(explain)


def _in_batches(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    import tensorflow as tf

    from components.reporting.predictor import batches

    traced = tf.function(function)

    def call(*arrays: np.ndarray) -> np.ndarray:
        parts = zip(*map(batches, arrays), strict=True)
        return np.concatenate([traced(*map(tf.constant, part)).numpy() for part in parts])

    return call


def _centre(heat: np.ndarray) -> np.ndarray:
    """Where the heat lies from left to right, in pixels: float64 [n]."""
    columns = heat.sum(axis=1, dtype=np.float64)
    return columns @ np.arange(columns.shape[1]) / np.maximum(columns.sum(axis=1), 1e-9)


def _told(values: np.ndarray) -> list[float]:
    """Mean, and half of its 95% interval."""
    known = values[np.isfinite(values)]
    return [round(float(one), 3) for one in (known.mean(), 1.96 * known.std() / len(known) ** 0.5)]


if __name__ == "__main__":
    benchmark(measure)
