"""Compares converted models with the original: numbers, quality, size and speed."""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components import features
from components.converter.formats import Run
from components.datasets.examples import value_of
from components.metrics.confusion import count_pairs
from components.preprocessing import decode_images
from components.reporting.predictor import batches
from components.tasks.parts import Evaluation
from serving.errors import FailedError

BATCH_SIZE = 16
TIMED = 20  # images, one at a time
WARM_UP = 3


class Agreement:
    """How far two models' probabilities are apart, and what each decides, summed over batches."""

    def __init__(self, part: Evaluation):
        self._part = part
        self._largest = self._total = 0.0
        self._numbers = self._same = self._decisions = 0
        self._confusion = np.zeros([len(part.classes)] * 2, np.int64)

    def add(self, probabilities: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> None:
        """Counts one batch in.

        Args:
            probabilities: float32 [batch, classes] or [batch, height, width, classes].
            reference: the original's, same shape.
            truth: class ids [batch] or [batch, height, width].
        """
        differences = np.abs(probabilities.astype(np.float64) - reference)
        # max() of Python and of NumPy differ on NaN, which must not pass for agreement.
        self._largest = float(np.maximum(self._largest, differences.max()))
        self._total += float(differences.sum())
        self._numbers += differences.size
        decided, wanted = self._part.decide(probabilities), self._part.decide(reference)
        self._same += int((decided == wanted).sum())
        self._decisions += decided.size
        self._confusion += count_pairs(truth, decided, len(self._confusion))

    def figures(self) -> dict[str, float]:
        """Absolute differences of a probability, what both decide alike, the task's `quality`."""
        return {
            "max_difference": self._largest,
            "mean_difference": self._total / self._numbers,
            "agreement": self._same / self._decisions,  # of images, or of pixels
            "value": self._part.measure(self._confusion),
        }


@dataclass(frozen=True)
class Converted:
    """A model in a format: its file, how it is run, and the largest mean difference allowed."""

    format: str
    path: Path
    run: Run
    tolerance: float


def compare(
    original: Run, converted: list[Converted], examples: Iterable[Any], part: Evaluation, side: int
) -> dict[str, Any]:
    """Runs all models on the same images.

    Args:
        original: the model that was converted.
        converted: what was made of it.
        examples: parsed `tf.train.Example`s, at least one.
        part: of the task.
        side: of the models' square input in pixels.

    Returns:
        The content of `artifacts.COMPARISON`, without the original's size. Speed is the median
        time of one image, decoded, in milliseconds; the models take turns.

    Raises:
        FailedError: there is no Example.
    """
    import tensorflow as tf

    runs = {"": original} | {model.format: model.run for model in converted}
    sums = {name: Agreement(part) for name in runs}
    count, first = 0, np.empty([0])
    for batch in batches(examples):
        encoded = tf.constant([value_of(one, features.IMAGE) for one in batch])
        images = decode_images(encoded, side).numpy()
        truth = np.stack([part.truth(one, side) for one in batch])
        reference = original(images)
        for name, run in runs.items():
            sums[name].add(run(images) if name else reference, reference, truth)
        count += len(images)
        first = images[:1]
    if not count:
        raise FailedError("converter: no image in the test split to compare the formats with")
    times, found = _times(runs, first), {name: summed.figures() for name, summed in sums.items()}
    return {
        "examples": count,
        "metric": part.quality,
        "original": {"value": found[""]["value"], "milliseconds": times[""]},
        "conversions": [
            {
                "format": model.format,
                "file": model.path.name,
                "bytes": model.path.stat().st_size,
                **found[model.format],
                "milliseconds": times[model.format],
                "tolerance": model.tolerance,
                "ok": found[model.format]["mean_difference"] <= model.tolerance,
            }
            for model in converted
        ],
    }


def check(comparison: dict[str, Any]) -> None:
    """Refuses conversions that differ too much.

    Raises:
        FailedError: naming the first of them and its difference.
    """
    for found in comparison["conversions"]:
        if not found["ok"]:
            raise FailedError(
                f"the model as {found['format']} is not the same: its probabilities differ by"
                f" {found['mean_difference']:.2g} on average (at most"
                f" {found['max_difference']:.2g}), converter.tolerance.{found['format']} allows"
                f" {found['tolerance']:.2g}; {comparison['metric']} {found['value']:.4f} instead"
                f" of {comparison['original']['value']:.4f}"
            )


def _times(runs: Mapping[str, Run], image: np.ndarray) -> dict[str, float]:
    """By name, the median milliseconds for one image [1, side, side, 3]."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(WARM_UP + TIMED):
        for name, run in runs.items():
            start = time.perf_counter()
            run(image)
            if number >= WARM_UP:
                taken[name].append((time.perf_counter() - start) * 1000)
    return {name: round(statistics.median(values), 3) for name, values in taken.items()}
