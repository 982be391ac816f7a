"""How far two models' probabilities are apart, and how good each is, summed over many pictures."""

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Agreement:
    """Sums over batches; see the properties for what they tell.

    Attributes:
        classes: number of classes; 2 where a model gives the probability of class 1 alone.
    """

    classes: int
    largest: float = 0.0
    total: float = 0.0
    numbers: int = 0
    same: int = 0
    decisions: int = 0
    confusion: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = np.zeros([self.classes, self.classes], np.int64)

    def add(self, probabilities: np.ndarray, reference: np.ndarray, truth: np.ndarray) -> None:
        """Counts one batch in.

        Args:
            probabilities: float32 [batch, 1], of class 1, or [batch, height, width, classes].
            reference: the original's, same shape.
            truth: class ids [batch] or [batch, height, width].
        """
        differences = np.abs(probabilities.astype(np.float64) - reference)
        # max() of Python and of NumPy differ on NaN, which must not pass for agreement.
        self.largest = float(np.maximum(self.largest, differences.max()))
        self.total += float(differences.sum())
        self.numbers += differences.size
        decided, wanted = decide(probabilities), decide(reference)
        self.same += int((decided == wanted).sum())
        self.decisions += decided.size
        pairs = truth.astype(np.int64).ravel() * self.classes + decided.ravel()
        counts = np.bincount(pairs, minlength=self.classes**2)
        self.confusion += counts.reshape(self.confusion.shape)

    @property
    def mean_difference(self) -> float:
        """Mean absolute difference of a probability."""
        return self.total / self.numbers

    @property
    def agreement(self) -> float:
        """Share of pictures, or of pixels, that both put into the same class."""
        return self.same / self.decisions

    @property
    def accuracy(self) -> float:
        """Share of pictures whose class is right."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def mean_iou(self) -> float:
        """Mean of the classes' IoUs over the summed pixels; classes that never occur left out."""
        intersection = np.diag(self.confusion)
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - intersection
        present = union > 0
        return float(np.mean(intersection[present] / union[present])) if present.any() else math.nan


def decide(probabilities: np.ndarray) -> np.ndarray:
    """The class of each picture or pixel, int64.

    Args:
        probabilities: [batch, 1], of class 1, or [batch, height, width, classes].
    """
    if probabilities.shape[-1] == 1:
        return (probabilities[..., 0] > 0.5).astype(np.int64)
    return probabilities.argmax(axis=-1)
