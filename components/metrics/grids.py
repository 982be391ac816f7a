"""The thresholds at which scores are counted. A score is above a threshold if it is greater."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """Ascending thresholds; both fields are some of `joined`."""

    auc: tuple[float, ...]  # between two of them scores count as equal
    roc: tuple[float, ...]  # of the curve that is shown; 0.5, which divides two classes, is in it

    @property
    def joined(self) -> np.ndarray:
        """float64 [thresholds], each once."""
        return np.unique([*self.auc, *self.roc])


# Of probabilities. The first are those that TensorFlow Model Analysis comes to with its 10,000
# buckets: the bucket above 0 goes with that at 0, and what lies on an edge lies above it. Those of
# the curve are closer to each other the surer a model is: a network's lie mostly near 0 and 1.
_EDGES = np.nextafter(np.arange(2, 10_001) / 10_000, -math.inf)
PROBABILITIES = Grid(
    auc=tuple(_EDGES.tolist()),
    roc=(0.0, *(round(1 / (1 + math.exp(-0.2 * number)), 6) for number in range(-49, 50)), 1.0),
)

# Of scores that are no probabilities: twice the distance of the targets 0 and 1 to both sides; the
# ends are below and above every score. The curve has every fifth.
_SCORES = (-1e30, *(round(-2 + number * 0.01, 2) for number in range(501)), 1e30)
SCORES = Grid(auc=_SCORES, roc=(_SCORES[0], *_SCORES[1:-1:5], _SCORES[-1]))

GRIDS = {"probabilities": PROBABILITIES, "scores": SCORES}
