"""A model exported with `test_time_flip`: all its endpoints answer for picture and mirror image."""

import io

import numpy as np
import pytest
from PIL import Image

from serving import names


@pytest.fixture(scope="module")
def twins(pictures, encode):
    """The pictures and their mirror images: a JPEG is decoded once, by the same library."""
    opened = [np.asarray(Image.open(io.BytesIO(picture))) for picture in pictures]
    return [[encode(each[:, ::step]) for each in opened] for step in (1, -1)]


@pytest.mark.parametrize("case", ["classification", "five"])
def test_a_classifier_answers_by_the_mean_logit(export, exported, twins, examples, case):
    first, second = (
        exported[case].call(names.SIGNATURE_SERVING, image_bytes=each)[names.OUTPUT_PROBABILITIES]
        for each in twins
    )
    expected = np.sqrt(first * second)
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.abs(first - expected).max() > 0.01

    model = export(case, test_time_flip=True)
    for each in twins:
        answer = model.call(names.SIGNATURE_SERVING, image_bytes=each)
        stored = model.call(names.SIGNATURE_FROM_EXAMPLES, examples=examples(each))
        scores = model.call(names.SIGNATURE_CLASSIFY, inputs=examples(each))[names.OUTPUT_SCORES]
        explained = model.explain(each, -1)
        for found, wanted in (
            (answer[names.OUTPUT_PROBABILITIES], expected),
            (stored[names.OUTPUT_PROBABILITIES], expected),
            (scores, expected),
            (explained[names.OUTPUT_PROBABILITY], expected.max(axis=1)),
        ):
            np.testing.assert_allclose(found, wanted, atol=1e-5)
        np.testing.assert_array_equal(explained[names.OUTPUT_LABEL], answer[names.OUTPUT_LABEL])
