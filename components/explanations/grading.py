"""Grades the explanations of an exported model on some pictures of a split.

The SavedModel is asked alone and as a server would be, through `serving_default` and `grad_cam`.
Pixels go in as PNG at the model's size, so that what is painted or moved arrives as it is.
"""

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components import features as f
from components.datasets.examples import value_of
from components.explanations import grades
from components.explanations.grades import Model
from components.preprocessing import decode_image, decode_mask
from components.reporting.predictor import Predictor, batches
from serving import names
from serving.errors import InputError

_SALT = b"graded explanations"  # fixes which pictures are graded


class Graded(NamedTuple):
    """What became of each picture, in the order of the Examples."""

    labels: np.ndarray  # int64 [n], true classes
    predicted: np.ndarray  # int64 [n], the likeliest class
    rivals: list[int]  # for each class the one that it is most often taken for, that occurs
    # By measure float64 [n], NaN where a picture has none; without masks, none that needs them.
    values: dict[str, np.ndarray]
    areas: np.ndarray  # float64 [n], the object's share of the picture; 0 without a mask


def choose(examples: Iterable[Any], count: int, key: str = f.KEY) -> list[Any]:
    """The same parsed Examples of a split in every run, in whatever order they are read.

    Drawn by a hash of the split key (equal keys: of the picture), so that most of them stay where
    the data grows.

    Args:
        examples: all of the split; no more than `count` are held at a time.
        count: how many at most.
        key: the feature of the split key.
    """

    def rank(example: Any) -> list[bytes]:
        told = (value_of(example, name) for name in (key, f.IMAGE))
        return [hashlib.sha256(_SALT + value).digest() for value in told]

    return heapq.nsmallest(count, examples, key=rank)


def has_mask(example: Any) -> bool:
    """Whether an Example tells where its object is."""
    return value_of(example, f.OBJECT_MASK) is not None


def grade(folder: str, examples: Sequence[Any], rivals: list[int] | None = None) -> Graded:
    """All measures of `components.explanations.grades` for each of the Examples.

    Mosaics explain the true class, everything else the predicted one. What is painted out gets the
    mean color of the graded pictures, for the training split need not be at hand.

    Args:
        folder: of the SavedModel.
        examples: parsed ones of a classifier, at least one; of `choose`.
        rivals: of another model, to lay out the same mosaics; None: of this one's own mistakes.

    Raises:
        InputError: the model has no endpoint `grad_cam`.
    """
    predictor = Predictor(folder)
    if names.SIGNATURE_GRAD_CAM not in predictor.endpoints:
        raise InputError(
            "evaluator.graded_images",
            expected=f"a model with the endpoint {names.SIGNATURE_GRAD_CAM}",
            found=", ".join(predictor.endpoints),
        )
    model = _asked(predictor)
    first = predictor.explain([value_of(examples[0], f.IMAGE)], [0])
    side = first[names.OUTPUT_HEATMAP].shape[1]
    images = np.stack([decode_image(value_of(one, f.IMAGE), side) for one in examples]).round()
    labels = np.array([value_of(one, f.LABEL) for one in examples])
    probabilities = model.predict(images)
    predicted = probabilities.argmax(axis=1)
    if rivals is None:
        rivals = rivals_of(probabilities, labels)
    even = side // 2 * 2
    heat = model.explain(images, predicted)
    values = {
        "mosaic": grades.mosaic(
            _filled(model, side - even), images[:, :even, :even], labels, rivals
        ),
        "faithfulness": np.concatenate(
            [
                grades.faithfulness(model, images[rows], predicted[rows], heat[rows])
                for rows in batches(range(len(images)))
            ]
        ),
    }
    masks = _masks(examples, side)
    values |= _by_masks(model, images, labels, heat, masks)
    return Graded(labels, predicted, rivals, values, masks.mean(axis=(1, 2)))


def rivals_of(probabilities: np.ndarray, labels: np.ndarray) -> list[int]:
    """For each class the one that its pictures are most often taken for.

    Args:
        probabilities: float [n, classes].
        labels: int [n], true classes.

    Returns:
        [classes] of classes that occur. Where several are taken for it equally often, or none is,
        the one with the highest mean probability.
    """
    count = probabilities.shape[1]
    taken = np.eye(count)[probabilities.argmax(axis=1)] + probabilities / (len(labels) + 1)
    score = np.zeros((count, count))
    np.add.at(score, labels, taken)
    score[:, np.bincount(labels, minlength=count) == 0] = -1
    np.fill_diagonal(score, -2)
    return score.argmax(axis=1).tolist()


def _asked(predictor: Predictor) -> Model:
    def predict(images: np.ndarray) -> np.ndarray:
        answers = (predictor.predict(image_bytes=_encoded(some)) for some in batches(images))
        return np.concatenate([one[names.OUTPUT_PROBABILITIES] for one in answers])

    def explain(images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        asked = zip(batches(images), batches(classes), strict=True)
        answers = (predictor.explain(_encoded(some), of) for some, of in asked)
        return np.concatenate([one[names.OUTPUT_HEATMAP] for one in answers])

    return Model(predict, explain)


def _filled(model: Model, missing: int) -> Model:
    """For canvases that lack a last row and column: of a model of odd side, they are repeated."""

    def explain(images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        whole = np.pad(images, ((0, 0), (0, missing), (0, missing), (0, 0)), mode="edge")
        return model.explain(whole, classes)[:, : images.shape[1], : images.shape[2]]

    return model._replace(explain=explain)


def _masks(examples: Sequence[Any], side: int) -> np.ndarray:
    """Where the objects are: bool [n, side, side], nowhere in a picture without a mask."""
    masks = np.zeros((len(examples), side, side), bool)
    for number, example in enumerate(examples):
        if has_mask(example):
            masks[number] = decode_mask(value_of(example, f.OBJECT_MASK), side).numpy() > 0
    return masks


def _by_masks(
    model: Model, images: np.ndarray, labels: np.ndarray, heat: np.ndarray, masks: np.ndarray
) -> dict[str, np.ndarray]:
    """The measures that need masks, of the pictures that have one with anything on it."""
    count = len(masks)
    told = np.flatnonzero(masks.any(axis=(1, 2)))
    if not len(told):
        return {}
    color = images.mean(axis=(0, 1, 2))
    images, labels, heat, masks = images[told], labels[told], heat[told], masks[told]
    blobs = np.broadcast_to(grades.blob(heat.shape[1]), heat.shape)
    found = {
        "energy_above_area": grades.energy_above_area(heat, masks),
        "object_dependence": grades.dependence(model, images, labels, masks, color),
        "background_dependence": grades.dependence(model, images, labels, ~masks, color),
        "pointing": grades.pointing(heat, masks),
        "pointing_of_blob": grades.pointing(blobs, masks),
        "iou": grades.iou(heat, masks),
        "iou_of_blob": grades.iou(blobs, masks),
    }
    spread = {name: np.full(count, np.nan) for name in found}
    for name, values in found.items():
        spread[name][told] = values
    return spread


def _encoded(images: Sequence[np.ndarray]) -> list[bytes]:
    """PNGs of float32 [side, side, 3] in [0, 255], packed loosely: they are read at once."""
    pixels = np.clip(np.rint(images), 0, 255).astype(np.uint8)
    return [tf.io.encode_png(one, compression=0).numpy() for one in pixels]
