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

from components.metrics.arrays import pack
from components.metrics.confusion import count_pairs, to_triples
from components.metrics.grids import GRIDS, PROBABILITIES, Grid
from components.metrics.intervals import auc_and_variance

NAME = "class_counts"
TOP_K = 5
FLUSH = 512  # Examples at least that are counted together
_EPSILON = 1e-7  # Keras's: the least probability that has a logarithm

Loss = Literal["cross_entropy", "squared_error"]


class ClassCounts(metric_types.Metric):
    """Counts over the Examples of a slice; its value is what `arrays.pack` makes of these arrays.

    `confusion`: int64 [k, 3], see `confusion.to_triples`.
    `sums`: float64 [3]: the loss, its squares, and the Examples whose class is among the `TOP_K`.
    `auc`: float64 [classes, 2], of two classes [1, 2], of class 1: area under the ROC curve of each
    class against the rest, and its variance; NaN for a class without Examples. Only where there are
    Examples of more than one class.
    `roc`: int64 [2, thresholds + 1], of two classes only; see `confusion.roc_curve`.

    Takes probabilities float32 [classes], or one score of two classes, which stands for the pair of
    1 - score and score. No number is the first class's, and above no threshold.
    """

    def __init__(
        self,
        classes: int,
        loss: Loss = "cross_entropy",
        grid: str = "probabilities",
        name: str = NAME,
    ):
        """Builds the metric, with a grid of `grids.GRIDS`; `squared_error` is that of one score."""
        super().__init__(
            metric_util.merge_per_key_computations(_computations),
            classes=classes,
            loss=loss,
            grid=grid,
            name=name,
        )


# TFMA passes on only what the signature names.
def _computations(  # noqa: PLR0917
    classes: int,
    loss: Loss,
    grid: str,
    name: str = NAME,
    eval_config: config_pb2.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name, output_name=output_name)
    combiner = _Combiner(key, eval_config, Counter(classes, loss, GRIDS[grid]))
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


@dataclass
class Counts:
    """An accumulator: Examples as they are, and from some number on also arrays of all classes.

    Attributes:
        truth: class ids.
        answers: float32 [classes] or [1] of each.
        dense: of the Examples that are condensed; None: none yet are. Their confusion int64
            [classes, classes]; histograms int32 [scored classes, 2, thresholds + 1], by whether an
            Example is of the class and by the thresholds that its score is above; and sums, see
            `ClassCounts`.
    """

    truth: list[int] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)
    dense: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


class Counter:
    """Counts Examples into `Counts`, without TFMA.

    Args:
        classes, loss: see `ClassCounts`.
        grid: of thresholds.
    """

    def __init__(self, classes: int, loss: Loss = "cross_entropy", grid: Grid = PROBABILITIES):
        self._classes = classes
        self._loss = loss
        # Of two classes the curve of one tells that of the other; of more no curve is shown.
        self._scored = [1] if classes == 2 else list(range(classes))
        self._roc = np.asarray(grid.roc)
        self._thresholds = grid.joined if classes == 2 else np.asarray(grid.auc)
        self._bins = len(self._thresholds) + 1
        # Where the thresholds of both parts lie among all.
        self._auc_at = np.searchsorted(self._thresholds, grid.auc) + 1
        self._roc_at = np.searchsorted(self._thresholds, grid.roc) + 1
        dense = 8 * classes**2 + 4 * len(self._scored) * 2 * self._bins
        self._raw = max(FLUSH, dense // (4 * classes))

    def add(self, counts: Counts, truth: int, answer: np.ndarray) -> None:
        """Counts one Example in."""
        counts.truth.append(truth)
        counts.answers.append(np.array(answer.ravel(), np.float32))
        self._condense(counts, self._raw if counts.dense is None else FLUSH)

    def merge(self, parts: Iterable[Counts]) -> Counts:
        """Counts of all parts together."""
        merged = Counts()
        for part in parts:
            merged.truth += part.truth
            merged.answers += part.answers
            if merged.dense is None or part.dense is None:
                merged.dense = merged.dense or part.dense
            else:
                one, other = merged.dense, part.dense
                merged.dense = one[0] + other[0], one[1] + other[1], one[2] + other[2]
            self._condense(merged, self._raw)
        return merged

    def arrays(self, counts: Counts) -> dict[str, np.ndarray]:
        """See `ClassCounts`; empty without Examples."""
        if counts.dense is not None:
            self._condense(counts, 1)
            table, histograms, sums = counts.dense
        elif counts.truth:
            truth, answers = self._stacked(counts)
            table, sums = self._totals(truth, answers)
        else:
            return {}

        def histogram(at: int) -> np.ndarray:
            if counts.dense is not None:
                return histograms[at]
            return self._histogram(truth, answers, self._scored[at])

        given = {"confusion": to_triples(table), "sums": sums}
        present = np.unique(given["confusion"][:, 0])
        if len(present) > 1:
            given["auc"] = np.full((len(self._scored), 2), np.nan)
            for at, class_id in enumerate(self._scored):
                if class_id in present:
                    counted = _between(histogram(at), self._auc_at)
                    given["auc"][at] = auc_and_variance(counted)
        if self._classes == 2:
            given["roc"] = _between(histogram(0), self._roc_at)
        return given

    def _condense(self, counts: Counts, limit: int) -> None:
        """Counts the Examples into the arrays, if there are so many."""
        if len(counts.truth) < limit:
            return
        truth, answers = self._stacked(counts)
        found, sums = self._totals(truth, answers)
        if counts.dense is None:
            shape = (len(self._scored), 2, self._bins)
            counts.dense = np.zeros_like(found), np.zeros(shape, np.int32), np.zeros_like(sums)
        table, histograms, before = counts.dense
        for at, class_id in enumerate(self._scored):
            histograms[at] += self._histogram(truth, answers, class_id)
        counts.dense = table + found, histograms, before + sums
        counts.truth, counts.answers = [], []

    def _stacked(self, counts: Counts) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int64 [n] and float32 [n, classes]."""
        answers = np.stack(counts.answers)
        if answers.shape[1] == 1:
            answers = np.concatenate([1 - answers, answers], axis=1)
        return np.asarray(counts.truth), answers

    def _totals(self, truth: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Confusion and sums; see `Counts`."""
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
        sums = np.array([losses.sum(), (losses**2).sum(), (ahead < TOP_K).sum()], np.float64)
        return count_pairs(truth, answers.argmax(axis=1), self._classes), sums

    def _histogram(self, truth: np.ndarray, answers: np.ndarray, class_id: int) -> np.ndarray:
        """int64 [2, thresholds + 1]; see `Counts`."""
        scores = answers[:, class_id].astype(np.float64)
        above = np.searchsorted(self._thresholds, scores)
        above[np.isnan(scores)] = 0
        where = (truth == class_id) * self._bins + above
        return np.bincount(where, minlength=2 * self._bins).reshape(2, self._bins)


def _between(histogram: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The same counts by fewer thresholds: [2, starts + 1]."""
    return np.add.reduceat(histogram.astype(np.int64), [0, *starts], axis=1)


class _Combiner(beam.CombineFn):
    def __init__(
        self,
        key: metric_types.MetricKey,
        eval_config: config_pb2.EvalConfig | None,
        counter: Counter,
    ):
        self._key = key
        self._eval_config = eval_config
        self._counter = counter

    def create_accumulator(self) -> Counts:
        return Counts()

    def add_input(self, accumulator: Counts, element: metric_types.StandardMetricInputs) -> Counts:
        found: Iterator[Any] = metric_util.to_label_prediction_example_weight(
            element,
            eval_config=self._eval_config,
            model_name=self._key.model_name,
            output_name=self._key.output_name,
            flatten=False,
        )
        label, prediction, _ = next(found)
        self._counter.add(accumulator, int(label.item()), prediction)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        return self._counter.merge(accumulators)

    def extract_output(self, accumulator: Counts) -> dict[metric_types.MetricKey, bytes]:
        return {self._key: pack(self._counter.arrays(accumulator))}


metric_types.register_metric(ClassCounts)
