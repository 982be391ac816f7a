"""How far two models' probabilities are apart, and what each decides, summed over many images."""

from dataclasses import dataclass, field

import numpy as np

from components.metrics.confusion import count_pairs
from components.tasks.parts import Evaluation


@dataclass
class Agreement:
    """Sums over batches; see the properties for what they tell. The task's part decides."""

    part: Evaluation
    largest: float = 0.0
    total: float = 0.0
    numbers: int = 0
    same: int = 0
    decisions: int = 0
    confusion: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = np.zeros([len(self.part.classes)] * 2, np.int64)

    def add(self, probabilities: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> None:
        """Counts one batch in.

        Args:
            probabilities: float32 [batch, classes] or [batch, height, width, classes].
            reference: the original's, same shape.
            truth: class ids [batch] or [batch, height, width].
        """
        differences = np.abs(probabilities.astype(np.float64) - reference)
        # max() of Python and of NumPy differ on NaN, which must not pass for agreement.
        self.largest = float(np.maximum(self.largest, differences.max()))
        self.total += float(differences.sum())
        self.numbers += differences.size
        decided, wanted = self.part.decide(probabilities), self.part.decide(reference)
        self.same += int((decided == wanted).sum())
        self.decisions += decided.size
        self.confusion += count_pairs(truth, decided, len(self.confusion))

    @property
    def mean_difference(self) -> float:
        """Mean absolute difference of a probability."""
        return self.total / self.numbers

    @property
    def agreement(self) -> float:
        """Share of images, or of pixels, that both put into the same class."""
        return self.same / self.decisions

    @property
    def quality(self) -> float:
        """The task's `quality`."""
        return self.part.measure(self.confusion)
