"""One combiner for TensorFlow Model Analysis that counts all that a classifier's figures need.

Named in a MetricConfig with `module=`. TFMA's own cost a pass over all classes and thresholds for
every Example and figure: 29 s for the AUC alone of 200 classes and 2,000 Examples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

from components.metrics.confusion import GRIDS
from components.metrics.intervals import auc_and_variance
from components.metrics.specs import pack

NAME = "class_counts"
TOP_K = 5
FLUSH = 512  # Examples at least that are counted together
_EPSILON = 1e-7  # Keras's: the least probability that has a logarithm

Loss = Literal["cross_entropy", "squared_error"]
# Numbers that occur, ascending, and how often each does: both int64 [k].
Tally = tuple[np.ndarray, np.ndarray]
_NONE = np.zeros(0, np.int64), np.zeros(0, np.int64)


class ClassCounts(metric_types.Metric):
    """Counts over the Examples of a slice; its value is what `specs.pack` makes of these arrays.

    `confusion`: int64 [k, 3], see `confusion.to_triples`.
    `sums`: float64 [3]: the loss, its squares, and the Examples whose class is among the `TOP_K`.
    `auc`: float64 [classes, 2], of two classes [1, 2], of class 1: area under the ROC curve of each
    class against the rest, and its variance; NaN for a class without Examples. Only where there are
    Examples of more than one class.
    `roc`: int64 [2, thresholds + 1], of two classes only; see `confusion.roc_curve`.

    Takes probabilities float32 [classes], or one score of two classes, which stands for the pair of
    1 - score and score. No number is the first class's, and above no threshold.
    """

    def __init__(self, classes: int, loss: Loss = "cross_entropy", name: str = NAME):
        """Builds the metric; `squared_error` is that of one score, which is no probability."""
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            classes=classes,
            loss=loss,
            name=name,
        )


# TFMA passes on only what the signature names.
def _computations(  # noqa: PLR0917
    classes: int,
    loss: Loss,
    name: str = NAME,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name, output_name=output_name)
    combiner = _Combiner(key, eval_config, Counter(classes, loss))
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


@dataclass
class Counts:
    """An accumulator: the last Examples as they are, those before as tallies.

    Attributes:
        truth: class ids.
        answers: float32 [classes] or [1] of each.
        pairs: of true * classes + predicted class.
        bins: of (2 * scored class + whether an Example is of it) * bins + number of the thresholds
            that its score is above; few of all that there may be occur.
        sums: see `ClassCounts`.
    """

    truth: list[int] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)
    pairs: Tally = _NONE
    bins: Tally = _NONE
    sums: np.ndarray = field(default_factory=lambda: np.zeros(3))


class Counter:
    """Counts Examples into `Counts`, without TFMA; see `ClassCounts` for classes and loss."""

    def __init__(self, classes: int, loss: Loss = "cross_entropy"):
        grid = GRIDS[loss]
        self._classes = classes
        self._loss = loss
        # Of two classes the curve of one tells that of the other; of more no curve is shown.
        self._scored = np.array([1]) if classes == 2 else np.arange(classes)
        self._thresholds = np.unique([*grid.auc, *(grid.roc if classes == 2 else ())])
        self._bins = len(self._thresholds) + 1
        # Where the thresholds of both parts lie among all.
        self._auc_at = np.searchsorted(self._thresholds, grid.auc) + 1
        self._roc_at = np.searchsorted(self._thresholds, grid.roc) + 1

    def add(self, counts: Counts, truth: int, answer: np.ndarray) -> None:
        """Counts one Example in."""
        counts.truth.append(truth)
        counts.answers.append(np.array(answer.ravel(), np.float32))
        # The larger a tally, the dearer to add to; the Examples take no more memory than it.
        if len(counts.truth) >= max(FLUSH, len(counts.bins[0]) // self._classes):
            self._condense(counts)

    def merge(self, parts: Iterable[Counts]) -> Counts:
        """Counts of all parts together."""
        given = [Counts(), *parts]
        for part in given:
            self._condense(part)
        pairs, bins = _joined(part.pairs for part in given), _joined(part.bins for part in given)
        return Counts(pairs=pairs, bins=bins, sums=np.sum([part.sums for part in given], axis=0))

    def arrays(self, counts: Counts) -> dict[str, np.ndarray]:
        """See `ClassCounts`; empty without Examples."""
        self._condense(counts)
        pairs, numbers = counts.pairs
        if not len(pairs):
            return {}
        confusion = np.stack([*np.divmod(pairs, self._classes), numbers], axis=1)
        given = {"confusion": confusion, "sums": counts.sums}
        present = np.unique(confusion[:, 0])
        if len(present) > 1:
            given["auc"] = np.full((len(self._scored), 2), np.nan)
            for at in np.flatnonzero(np.isin(self._scored, present)).tolist():
                counted = self._histogram(counts, at, self._auc_at)
                given["auc"][at] = auc_and_variance(counted)
        if self._classes == 2:
            given["roc"] = self._histogram(counts, 0, self._roc_at)
        return given

    def _condense(self, counts: Counts) -> None:
        """Counts the Examples that are there as they are into the tallies."""
        if not counts.truth:
            return
        truth, answers = np.asarray(counts.truth), np.stack(counts.answers)
        if answers.shape[1] == 1:
            answers = np.concatenate([1 - answers, answers], axis=1)
        scores = answers[:, self._scored].astype(np.float64)
        above = np.searchsorted(self._thresholds, scores)
        above[np.isnan(scores)] = 0
        own = truth[:, None] == self._scored
        bins = (2 * np.arange(len(self._scored)) + own) * self._bins + above
        counts.bins = _joined([counts.bins, (bins.ravel(), np.ones(bins.size))])
        pairs = truth * self._classes + answers.argmax(axis=1)
        counts.pairs = _joined([counts.pairs, (pairs, np.ones(len(pairs)))])
        counts.sums = counts.sums + self._sums(truth, answers)
        counts.truth, counts.answers = [], []

    def _sums(self, truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """See `ClassCounts`."""
        own = np.take_along_axis(answers, truth[:, None], axis=1)
        if self._loss == "cross_entropy":
            # As Keras has it: every probability bounded, then all scaled to a sum of 1.
            bounded = np.clip(answers.astype(np.float64), _EPSILON, 1 - _EPSILON)
            losses = np.log(bounded.sum(axis=1))
            losses -= np.log(np.take_along_axis(bounded, truth[:, None], axis=1)[:, 0])
        else:
            losses = (answers[:, 1].astype(np.float64) - truth) ** 2
        ahead = (answers > own).sum(axis=1)  # of equal ones the first is ahead
        ahead += ((answers == own) & (np.arange(self._classes) < truth[:, None])).sum(axis=1)
        return np.array([losses.sum(), (losses**2).sum(), (ahead < TOP_K).sum()], np.float64)

    def _histogram(self, counts: Counts, at: int, starts: np.ndarray) -> np.ndarray:
        """Of a scored class: int64 [2, starts + 1], by whether an Example is of it, and by bins."""
        first, size = at * 2 * self._bins, 2 * self._bins
        start, end = np.searchsorted(counts.bins[0], [first, first + size])
        found, numbers = counts.bins[0][start:end] - first, counts.bins[1][start:end]
        histogram = np.bincount(found, numbers, size).reshape(2, -1).astype(np.int64)
        return np.add.reduceat(histogram, [0, *starts], axis=1)


def _joined(tallies: Iterable[Tally]) -> Tally:
    keys, numbers = (np.concatenate(each) for each in zip(*tallies, strict=True))
    found, places = np.unique(keys, return_inverse=True)
    return found, np.bincount(places, numbers, len(found)).astype(np.int64)


@dataclass(eq=False)
class _Combiner(beam.CombineFn):
    key: metric_types.MetricKey
    eval_config: config_pb2.EvalConfig | None
    counter: Counter

    def create_accumulator(self) -> Counts:
        return Counts()

    def add_input(self, accumulator: Counts, element: metric_types.StandardMetricInputs) -> Counts:
        found: Iterator[Any] = metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self.eval_config,
            model_name=self.key.model_name,
            output_name=self.key.output_name,
            flatten=False,
        )
        label, prediction, _ = next(found)
        self.counter.add(accumulator, int(label.item()), prediction)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        return self.counter.merge(accumulators)

    def extract_output(self, accumulator: Counts) -> dict[metric_types.MetricKey, bytes]:
        return {self.key: pack(self.counter.arrays(accumulator))}


metric_types.register_metric(ClassCounts)
