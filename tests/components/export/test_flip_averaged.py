"""A model exported with `test_time_flip`: all its endpoints answer for picture and mirror image."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from serving import names

PROBLEMS = ("classification", "segmentation")


@pytest.fixture(scope="module")
def averaged(export):
    """By case."""
    return {case: export(case, test_time_flip=True) for case in (*PROBLEMS, "five")}


@pytest.fixture(scope="module")
def mirrored(pictures, encode):
    """Mirror images of `pictures`, without loss."""
    opened = [Image.open(io.BytesIO(picture)) for picture in pictures]
    return [encode(np.asarray(ImageOps.mirror(picture))) for picture in opened]


@pytest.fixture(scope="module")
def lossless(pictures, encode):
    """The same pixels as `mirrored`: a JPEG is decoded once, by the same library."""
    return [encode(np.asarray(Image.open(io.BytesIO(picture)))) for picture in pictures]


@pytest.fixture(scope="module")
def twins(lossless, mirrored):
    return lossless, mirrored


@pytest.mark.parametrize("case", ["classification", "five"])
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


def test_a_mask_is_mirrored_with_its_picture(averaged, exported, lossless, mirrored):
    model = averaged["segmentation"]
    masks, others = (
        model.call(names.SIGNATURE_SERVING, image_bytes=each)[names.OUTPUT_MASK]
        for each in (lossless, mirrored)
    )
    # A pixel whose classes are as likely as each other may fall to either.
    assert (masks != others[:, :, ::-1]).mean() < 1e-3
    plain = exported["segmentation"].call(names.SIGNATURE_SERVING, image_bytes=lossless)
    assert (masks != plain[names.OUTPUT_MASK]).mean() > 0.01


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_heatmap_is_mirrored_with_its_picture(averaged, exported, lossless, mirrored, problem):
    heatmaps, others = (
        averaged[problem].explain(each, 1)[names.OUTPUT_HEATMAP] for each in (lossless, mirrored)
    )
    np.testing.assert_allclose(others[:, :, ::-1], heatmaps, atol=0.01)
    plain = exported[problem].explain(lossless, 1)[names.OUTPUT_HEATMAP]
    assert np.abs(heatmaps - plain).max() > 0.05
