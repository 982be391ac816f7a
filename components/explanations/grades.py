"""How good explanations are. Each measure answers one question and is a number for each picture.

Without masks: does the map follow the class (`mosaic`), does it name the pixels that decide
(`faithfulness`)? With masks: does the heat lie on the object more than an even map's would
(`energy_above_area`), does the model decide by it (`object_dependence`)? A centred blob scores well
where heat only has to lie on the object, since objects stand in the middle of pictures; so
`pointing` and `iou` are told beside the blob's and judged by nobody.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
Explain = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Between all of a picture and nothing of it: 16 tell the same of each picture (correlation 0.994).
STEPS = 8
BLOB_DEVIATION = 0.21  # of the centred blob, as a share of the side
BLUR_DEVIATION = 0.1  # of what a picture becomes where it is deleted, as a share of the side


class Model(NamedTuple):
    """What is graded, on pictures float32 [n, side, side, 3] in [0, 255]."""

    predict: Predict  # -> probabilities float32 [n, classes]
    explain: Explain  # and class indices int32 [n] -> heatmaps float32 [n, side, side] in [0, 1]


def mosaic(
    model: Model, images: np.ndarray, labels: np.ndarray, rivals: Sequence[int]
) -> np.ndarray:
    """Share of the heat that lies on the explained class where two classes stand side by side.

    Each picture goes onto a canvas of four at half the side: itself and another one of its class,
    and two of the class that it is most often taken for, at random places, the same in every run.
    An even map, and a map of whatever class, has a half. Arias-Duart et al., "Focus! Rating XAI
    Methods and Finding Biases" (2022).

    Args:
        model: to grade.
        images: float32 [n, side, side, 3], side even.
        labels: int [n], true classes.
        rivals: for each class the one that it is most often taken for.

    Returns:
        float64 [n] in [0, 1]; NaN where there are no partners. A map without heat counts as even.
    """
    rng = np.random.default_rng(0)
    half = images.shape[1] // 2
    tiles = images.reshape(len(images), half, 2, half, 2, 3).mean(axis=(2, 4), dtype=np.float32)
    of_class = {label: np.flatnonzero(labels == label) for label in set(labels.tolist())}
    shares = np.full(len(images), np.nan)
    canvases, places, asked = [], [], []
    for index, label in enumerate(labels.tolist()):
        own = of_class[label][of_class[label] != index]
        others = of_class.get(rivals[label], np.array([], int))
        if not len(own) or not len(others):
            continue
        chosen = [index, rng.choice(own), *rng.choice(others, 2, replace=len(others) < 2)]
        order = rng.permutation(4)
        laid = tiles[chosen][order].reshape(2, 2, half, half, 3)
        canvases.append(laid.transpose(0, 2, 1, 3, 4).reshape(2 * half, 2 * half, 3))
        places.append((order < 2).reshape(2, 2))
        asked.append(index)
    if not asked:
        return shares
    heat = model.explain(np.stack(canvases), labels[asked].astype(np.int32))
    quarters = heat.reshape(len(heat), 2, half, 2, half).sum(axis=(2, 4), dtype=np.float64)
    total = quarters.sum(axis=(1, 2))
    on_class = (quarters * np.stack(places)).sum(axis=(1, 2))
    shares[asked] = np.divide(on_class, total, out=np.full(len(total), 0.5), where=total > 0)
    return shares


def faithfulness(
    model: Model, images: np.ndarray, classes: np.ndarray, heatmaps: np.ndarray
) -> np.ndarray:
    """Insertion minus deletion, above what a centred blob reaches.

    The mean probability of the class while the hottest pixels return to a blurred picture, minus
    that while they are blurred: Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of
    Black-box Models" (2018).

    Args:
        model: whose predictions count.
        images: float32 [n, side, side, 3] in [0, 255].
        classes: int [n], explained.
        heatmaps: [n, side, side].

    Returns:
        float64 [n] in [-2, 2]; above 0: the map names more of what decides than the blob does.
    """
    blobs = np.broadcast_to(blob(images.shape[1]), heatmaps.shape)
    own, other = (
        _insertion_minus_deletion(model.predict, images, classes, maps)
        for maps in (heatmaps, blobs)
    )
    return own - other


def energy_above_area(heatmaps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Share of the heat on the object, minus the object's share of the picture.

    The first is the energy-based pointing game of Wang et al., "Score-CAM" (2020); the second what
    an even map has.

    Args:
        heatmaps: [n, side, side] in [0, 1].
        masks: bool [n, side, side], True on the object.

    Returns:
        float64 [n] in [-1, 1]; a map without heat counts as even, 0.
    """
    area = masks.mean(axis=(1, 2))
    total = heatmaps.sum(axis=(1, 2), dtype=np.float64)
    inside = (heatmaps * masks).sum(axis=(1, 2), dtype=np.float64)
    return np.divide(inside, total, out=area.copy(), where=total > 0) - area


def pointing(heatmaps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Whether the hottest pixel is on the object, 0 or 1: float64 [n]; Zhang et al. (2016)."""
    hottest = heatmaps.reshape(len(heatmaps), -1).argmax(axis=1)
    return masks.reshape(len(masks), -1)[np.arange(len(masks)), hottest].astype(np.float64)


def iou(heatmaps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """IoU of the object and as many of the hottest pixels as it has: float64 [n] in [0, 1]."""
    size = masks.sum(axis=(1, 2))
    hot = _ranks(heatmaps) < size[:, None, None]
    both = (hot & masks).sum(axis=(1, 2))
    return both / np.maximum(2 * size - both, 1)


def dependence(
    model: Model, images: np.ndarray, labels: np.ndarray, painted: np.ndarray, color: np.ndarray
) -> np.ndarray:
    """What is lost where some pixels are painted out: -1, 0 or 1 for each picture.

    Xiao et al., "Noise or Signal: The Role of Image Backgrounds in Object Recognition" (2020).

    Args:
        model: that decides.
        images: float32 [n, side, side, 3] in [0, 255].
        labels: int [n], true classes.
        painted: bool [n, side, side], True where `color` goes.
        color: float [3], RGB, the mean of the training pictures.

    Returns:
        float64 [n], whose mean is the accuracy on the pictures minus that on the painted ones.
    """
    right = model.predict(images).argmax(axis=1) == labels
    covered = np.where(painted[..., None], color.astype(np.float32), images)
    return right.astype(np.float64) - (model.predict(covered).argmax(axis=1) == labels)


def blob(side: int) -> np.ndarray:
    """A centred Gaussian, the map that knows nothing of a picture: float32 [side, side], peak 1."""
    line = np.exp(-0.5 * ((np.arange(side) - (side - 1) / 2) / (BLOB_DEVIATION * side)) ** 2)
    heat = np.outer(line, line)
    return (heat / heat.max()).astype(np.float32)


def blurred(images: np.ndarray) -> np.ndarray:
    """Pictures of which only the coarse colours are left, as large as they were."""
    from scipy.ndimage import gaussian_filter

    reach = BLUR_DEVIATION * images.shape[1]
    return gaussian_filter(images, (0, reach, reach, 0), mode="nearest")


def _insertion_minus_deletion(
    predict: Predict, images: np.ndarray, classes: np.ndarray, heatmaps: np.ndarray
) -> np.ndarray:
    coarse = blurred(images)
    ranks, pixels = _ranks(heatmaps), heatmaps[0].size
    rows = np.arange(len(images))
    differences = []
    for step in range(1, STEPS):
        hot = (ranks < pixels * step / STEPS)[..., None]
        inserted = predict(np.where(hot, images, coarse))[rows, classes]
        deleted = predict(np.where(hot, coarse, images))[rows, classes]
        differences.append(inserted.astype(np.float64) - deleted)
    # Trapezoids; the ends, all and nothing, stand in both curves and cancel out.
    total: np.ndarray = np.sum(differences, axis=0) / STEPS
    return total


def _ranks(heatmaps: np.ndarray) -> np.ndarray:
    """The place of each pixel from the hottest on: int [n, side, side], 0 is the hottest.

    Maps are zero over large parts. Equal pixels come in an order drawn once, so that none of the
    picture's sides comes first.
    """
    drawn = np.random.default_rng(0).permutation(heatmaps[0].size)
    flat = heatmaps.reshape(len(heatmaps), -1)[:, drawn]
    order = drawn[np.argsort(-flat, axis=1, kind="stable")]
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return ranks.reshape(heatmaps.shape)
