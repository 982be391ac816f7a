"""How far a figure would vary with other examples: halves of 95% intervals, from sums over them.

The infinitesimal jackknife (Jaeckel, 1972; Efron, "The Jackknife, the Bootstrap and Other
Resampling Plans", 1982, chapter 6): where a figure is a smooth function of sums over examples, its
variance is the sum over the examples of the squares of what each adds to it, by the figure's
gradient. It is what the Poisson bootstrap comes to with ever more resamplings. That of TensorFlow
Model Analysis takes 20, each as dear as the evaluation itself, and is another at every run.
"""

import math

import numpy as np

_NORMAL = 1.959964  # 97.5% of a normal distribution lie below


def half_width(variance: float) -> float | None:
    """Half of the 95% interval around a figure; None where the variance is no number."""
    half = _NORMAL * math.sqrt(max(variance, 0.0))
    return half if math.isfinite(half) else None


def known(value: float, variance: float) -> tuple[float | None, float | None]:
    """A figure and half of its interval; None for both where it is no number."""
    return (float(value), half_width(float(variance))) if math.isfinite(value) else (None, None)


def of_share(share: float, count: float) -> float | None:
    """The same of a share of that many examples: the binomial one.

    Where all or none are hits, that of half of z squared more of both (Agresti and Coull, 1998):
    a few examples that are all right prove little.
    """
    if count and share in (0.0, 1.0):
        share = (share * count + _NORMAL**2 / 2) / (count + _NORMAL**2)
    return half_width(share * (1 - share) / count) if count else None


def of_mean(total: float, squares: float, count: float) -> float | None:
    """The same of a mean over so many examples, from sums of the values and of their squares."""
    return half_width((squares - total**2 / count) / count**2) if count else None


def auc_and_variance(counts: np.ndarray) -> tuple[float, float]:
    """The area under the ROC curve: the chance that an example of the class ranks above another.

    Ties count half, which is the trapezoid between two thresholds. The variance is DeLong's
    ("Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves",
    1988) but for its n - 1, which is the infinitesimal jackknife.

    Args:
        counts: integers [2, bins]: examples of the rest and of the class by bin of their score,
            ascending; at least one of each.

    Returns:
        Area in [0, 1], and variance.
    """
    rest, own = counts.astype(np.float64)
    below = (rest.cumsum() - rest / 2) / rest.sum()  # the share of the rest that it ranks above
    above = 1 - (own.cumsum() - own / 2) / own.sum()
    area = float((own * below).sum() / own.sum())
    variance = (own * (below - area) ** 2).sum() / own.sum() ** 2
    variance += (rest * (above - area) ** 2).sum() / rest.sum() ** 2
    return area, float(variance)


def f1_variances(triples: np.ndarray, f1: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Variance of the F1 of each class, and of their mean.

    F1 is 2 right / size: an example that is right adds 2 (1 - F1) / size to that of its class; one
    that is not takes F1 / size from that of its true and of its predicted class.

    Args:
        triples: int64 [k, 3]: true class, predicted class, count.
        f1: float64 [classes], NaN for those that have none and are left out of the mean.
        sizes: float64 [classes]: true and predicted examples together.

    Returns:
        float64 [classes + 1], the mean's last.
    """
    truth, predicted, count = triples.T
    right = truth == predicted
    lost = np.divide(f1, sizes, out=np.zeros(len(f1)), where=np.isfinite(f1))
    won = np.divide(2.0, sizes, out=np.zeros(len(f1)), where=np.isfinite(f1)) - 2 * lost
    variances = np.zeros(len(f1) + 1)
    np.add.at(variances, truth, count * np.where(right, won[truth], lost[truth]) ** 2)
    np.add.at(variances, predicted[~right], count[~right] * lost[predicted[~right]] ** 2)
    together = np.where(right, won[truth], lost[truth] + lost[predicted])
    variances[-1] = (count * together**2).sum() / max(np.isfinite(f1).sum(), 1) ** 2
    return variances


def pixel_variances(counts: np.ndarray, products: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Variances of figures of pixels, with images as the examples.

    Args:
        counts: int64 [n, n]: pixels by true and predicted class of n.
        products: float64 [3n, 3n]: sums over the images of the products of two of their sums,
            which are intersection, true and predicted pixels of every class.

    Returns:
        Of the pixel accuracy, of the mean IoU, and of each class's IoU float64 [n]. Classes that
        never occur are left out of the mean.
    """
    classes, total = len(counts), max(counts.sum(), 1)
    both = np.diag(counts).astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - both
    known = union > 0
    square = np.where(known, union, 1) ** 2
    own = np.stack([(union + both) / square, -both / square, -both / square]) * known
    gradient = np.concatenate(
        [np.full(classes, 1 / total), np.full(classes, -both.sum() / total**2), np.zeros(classes)]
    )
    mean = own.ravel() / max(known.sum(), 1)
    blocks = products.reshape(3, classes, 3, classes)
    each = np.einsum("ic,icjc,jc->c", own, blocks, own)
    return float(gradient @ products @ gradient), float(mean @ products @ mean), each
