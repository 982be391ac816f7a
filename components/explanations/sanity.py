"""Whether heatmaps depend on what a model has learned.

Cascading randomisation of Adebayo et al., "Sanity Checks for Saliency Maps" (2018): layer by layer
from the output down, weights become random. What explains the model changes with it; what only
draws edges or the middle of pictures stays.
"""

from collections.abc import Sequence
from itertools import chain, groupby

import numpy as np
import tensorflow as tf
from scipy.stats import spearmanr

from components.reporting.predictor import Predictor
from serving import names

PICTURES = 16  # at most, of those that are graded
STAGES = 6  # at most


def cascade(folder: str, pictures: Sequence[bytes], classes: np.ndarray) -> dict[int, np.ndarray]:
    """Compares the heatmaps of a SavedModel with those of a copy that becomes random by stages.

    Each weight is shuffled: its scale, signs and outliers remain, so that activations neither
    vanish nor saturate, and what is lost is what went where. So are the moving statistics of batch
    norm, which are learned too. The draw is the same in every run.

    Args:
        folder: of the SavedModel, with the endpoint `grad_cam`.
        pictures: encoded ones, at most a batch.
        classes: int [n], explained at every stage.

    Returns:
        `rank_correlation` float64 [n] by how many layers are random, from the output's alone to
        all that have weights; empty where none has.
    """
    predictor = Predictor(folder)
    layers = layers_from_output(predictor.variables)
    intact = predictor.explain(pictures, classes)[names.OUTPUT_HEATMAP]
    rng = np.random.default_rng(0)
    stages: dict[int, np.ndarray] = {}
    ends = np.unique(np.linspace(1, len(layers), STAGES, dtype=int)).tolist() if layers else []
    for start, end in zip([0, *ends], ends, strict=False):
        for weight in chain.from_iterable(layers[start:end]):
            values = weight.numpy()
            weight.assign(rng.permutation(values.ravel()).reshape(values.shape))
        changed = predictor.explain(pictures, classes)[names.OUTPUT_HEATMAP]
        stages[end] = rank_correlation(intact, changed)
    return stages


def layers_from_output(variables: Sequence[tf.Variable]) -> list[list[tf.Variable]]:
    """Weights by layer, whose name they bear before the last `/`.

    `variables` stand in Keras's order, from input to output, as an export keeps it; the states of
    random layers, which are integers, are no weights.
    """
    weights = [variable for variable in variables if variable.dtype.is_floating]
    by_layer = groupby(weights, key=lambda weight: weight.name.rpartition("/")[0])
    return [list(layer) for _, layer in by_layer][::-1]


def rank_correlation(intact: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Spearman's, of maps [n, side, side] one by one: float64 [n] in [-1, 1].

    0 where the changed map is the same everywhere. NaN where the intact one is: that explains
    nothing which could change.
    """
    found = np.full(len(intact), np.nan)
    for at in np.flatnonzero(np.ptp(intact, axis=(1, 2))):
        flat = not np.ptp(changed[at])
        found[at] = 0.0 if flat else spearmanr(intact[at], changed[at], axis=None).statistic
    return found
