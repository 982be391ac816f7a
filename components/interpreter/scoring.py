"""Asks the exported model about test pictures and keeps one small score for each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from components import features, preprocessing
from components.evaluator.confusion import class_ious, count_pairs
from components.interpreter.readers import Picture, Point
from serving import names

Item = TypeVar("Item")

BATCH_SIZE = 32

# Enough to find telling pictures; the measured figures are the evaluator's, on the whole split.
SCORED_AT_MOST = 2000


@dataclass(frozen=True)
class LabelScore:
    """What a classifier answered.

    Attributes:
        index: position of the picture in the split.
        filename: path relative to the data folder.
        truth: true class name.
        predicted: predicted class name.
        probability: of the predicted class, in [0, 1].
    """

    index: int
    filename: str
    truth: str
    predicted: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.truth == self.predicted


@dataclass(frozen=True)
class MaskScore:
    """How well a predicted mask covers the true one.

    Attributes:
        index: position of the picture in the split.
        filename: path relative to the data folder.
        ious: intersection over union of each mask class in [0, 1]; nan for a class that is in
            neither mask.
    """

    index: int
    filename: str
    ious: tuple[float, ...]

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that are in the true or the predicted mask."""
        return float(np.nanmean(self.ious))


@dataclass(frozen=True)
class PointScore:
    """What a model of points answered.

    Attributes:
        point: the point.
        predicted: predicted class name.
        score: any number; `features.SCORE_THRESHOLD` divides the classes.
    """

    point: Point
    predicted: str
    score: float

    @property
    def truth(self) -> str:
        """True class name."""
        return self.point.label

    @property
    def right(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.truth == self.predicted

    @property
    def distance(self) -> float:
        """How far the score is from the threshold: the model's confidence, not negative."""
        return abs(self.score - features.SCORE_THRESHOLD)


class Predictor:
    """An exported model, called through its signatures as a server would."""

    def __init__(self, saved_model_path: str):
        # The signatures only work while the loaded object lives, so it is kept.
        self._model = tf.saved_model.load(saved_model_path)

    def predict(self, images: Sequence[bytes]) -> dict[str, Any]:
        """Calls `serving_default`.

        Args:
            images: encoded pictures.

        Returns:
            The signature's outputs by name (components/features.py).
        """
        signature = self._model.signatures[names.SIGNATURE_SERVING]
        return signature(**{names.INPUT_IMAGE_BYTES: tf.constant(list(images), tf.string)})

    def predict_points(self, points: np.ndarray) -> dict[str, Any]:
        """Calls `serving_default` of a model of points.

        Args:
            points: float32 [n, 2]: x and y.

        Returns:
            The signature's outputs by name (components/features.py).
        """
        signature = self._model.signatures[names.SIGNATURE_SERVING]
        return signature(**{names.INPUT_POINTS: tf.constant(points, tf.float32)})

    def explain(self, images: Sequence[bytes], class_index: int = -1) -> dict[str, Any]:
        """Calls `grad_cam`.

        Args:
            images: encoded pictures.
            class_index: class to explain; -1: the predicted one of each picture.

        Returns:
            The signature's outputs by name (components/features.py).
        """
        signature = self._model.signatures[names.SIGNATURE_GRAD_CAM]
        inputs = {
            names.INPUT_IMAGE_BYTES: tf.constant(list(images), tf.string),
            names.INPUT_CLASS_INDEX: tf.constant(class_index, tf.int32),
        }
        return signature(**inputs)


def batches(items: Iterable[Item], size: int = BATCH_SIZE) -> Iterator[list[Item]]:
    """Groups items into lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def score_labels(predictor: Predictor, pictures: Iterable[Picture]) -> list[LabelScore]:
    """Scores at most the first `SCORED_AT_MOST` pictures with a classifier."""
    scores: list[LabelScore] = []
    for batch in batches(islice(pictures, SCORED_AT_MOST)):
        outputs = predictor.predict([picture.encoded for picture in batch])
        labels = outputs[names.OUTPUT_LABEL].numpy()
        probabilities = outputs[names.OUTPUT_PROBABILITY].numpy()
        for picture, label, probability in zip(batch, labels, probabilities, strict=True):
            scores.append(
                LabelScore(
                    index=len(scores),
                    filename=picture.filename,
                    truth=picture.label,
                    predicted=label.decode("utf-8"),
                    probability=float(probability),
                )
            )
    return scores


def score_masks(predictor: Predictor, pictures: Iterable[Picture]) -> list[MaskScore]:
    """Scores at most the first `SCORED_AT_MOST` pictures with a segmentation model."""
    scores: list[MaskScore] = []
    for batch in batches(islice(pictures, SCORED_AT_MOST)):
        outputs = predictor.predict([picture.encoded for picture in batch])
        masks = outputs[names.OUTPUT_MASK].numpy()
        for picture, mask in zip(batch, masks, strict=True):
            scores.append(MaskScore(len(scores), picture.filename, mask_ious(picture, mask)))
    return scores


def score_points(predictor: Predictor, points: Iterable[Point]) -> list[PointScore]:
    """Scores at most the first `SCORED_AT_MOST` points."""
    chosen = list(islice(points, SCORED_AT_MOST))
    if not chosen:
        return []
    outputs = predictor.predict_points(np.asarray([(p.x, p.y) for p in chosen], np.float32))
    labels = outputs[names.OUTPUT_LABEL].numpy()
    scores = outputs[names.OUTPUT_SCORE].numpy()
    return [
        PointScore(point, label.decode("utf-8"), float(score))
        for point, label, score in zip(chosen, labels, scores, strict=True)
    ]


def mask_ious(picture: Picture, predicted: np.ndarray) -> tuple[float, ...]:
    """Compares a predicted mask with the picture's own, at the predicted mask's size.

    Args:
        picture: a picture with a mask.
        predicted: uint8 [side, side], class ids.

    Returns:
        Intersection over union of each class in [0, 1]; NaN for a class in neither mask.
    """
    truth = preprocessing.decode_mask(picture.mask, predicted.shape[0]).numpy()
    return tuple(class_ious(count_pairs(truth, predicted, len(features.MASK_CLASS_NAMES))).tolist())
