"""The sums of a comparison against figures known by hand."""

import numpy as np
import pytest

from components.converter.compare import Agreement
from components.tasks import get_task
from serving.classes import Classes


def agreement(task, *names):
    return Agreement(get_task(task).evaluation(Classes(names)))


def pairs(*scores):
    return np.array([[1 - score, score] for score in scores])


def test_two_batches_of_labels():
    found = agreement("image_classification", "cat", "dog")
    found.add(pairs(0.6, 0.2), pairs(0.4, 0.2), np.array([1, 1]))
    found.add(pairs(0.9), pairs(0.8), np.array([1]))
    assert found.figures() == pytest.approx(
        {
            "max_difference": 0.2,
            "mean_difference": 0.1,
            "agreement": 2 / 3,  # the first one crossed the line
            "value": 2 / 3,
        }
    )


def test_masks():
    probabilities = np.array([[[[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]]])
    reference = np.array([[[[0.1, 0.2, 0.7], [0.1, 0.8, 0.1]]]])
    found = agreement("image_segmentation", "a", "b", "c")
    found.add(probabilities, reference, np.array([[[0, 0]]]))
    figures = found.figures()
    assert figures["agreement"] == 0.5
    assert figures["mean_difference"] == pytest.approx(1.2 / 6)
    # Class 0: one pixel of two; class 1: none of one; class 2 never occurs and is left out.
    assert figures["value"] == pytest.approx((1 / 2 + 0) / 2)


def test_what_is_no_number_is_no_agreement():
    found = agreement("image_classification", "cat", "dog")
    found.add(pairs(np.nan), pairs(0.4), np.array([1]))
    figures = found.figures()
    assert np.isnan(figures["max_difference"]) and np.isnan(figures["mean_difference"])
