"""A model exported with `test_time_flip`: all its endpoints answer for picture and mirror image."""

import io

import numpy as np
import pytest
from PIL import Image

from serving import names

CASES = ("classification", "five")


@pytest.fixture(scope="module")
def averaged(export):
    """By case."""
    return {case: export(case, test_time_flip=True) for case in CASES}


@pytest.fixture(scope="module")
def twins(pictures, encode):
    """The pictures and their mirror images: a JPEG is decoded once, by the same library."""
    opened = [np.asarray(Image.open(io.BytesIO(picture))) for picture in pictures]
    return [encode(each) for each in opened], [encode(each[:, ::-1]) for each in opened]


@pytest.mark.parametrize("case", CASES)
def test_a_classifier_answers_by_the_mean_logit(averaged, exported, twins, examples, case):
    plain = exported[case]
    first, second = (
        plain.call(names.SIGNATURE_SERVING, image_bytes=each)[names.OUTPUT_PROBABILITIES]
        for each in twins
    )
    expected = np.sqrt(first * second)
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.abs(first - expected).max() > 0.01

    model = averaged[case]
    for each in twins:
        answer = model.call(names.SIGNATURE_SERVING, image_bytes=each)
        np.testing.assert_allclose(answer[names.OUTPUT_PROBABILITIES], expected, atol=1e-5)
        scores = model.call(names.SIGNATURE_CLASSIFY, inputs=examples(each))[names.OUTPUT_SCORES]
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        stored = model.call(names.SIGNATURE_FROM_EXAMPLES, examples=examples(each))
        np.testing.assert_allclose(stored[names.OUTPUT_PROBABILITIES], expected, atol=1e-5)
        explained = model.explain(each, -1)
        np.testing.assert_allclose(
            explained[names.OUTPUT_PROBABILITY], expected.max(axis=1), atol=1e-5
        )
        np.testing.assert_array_equal(explained[names.OUTPUT_LABEL], answer[names.OUTPUT_LABEL])
