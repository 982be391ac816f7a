"""The endpoints of a model of points, against NumPy."""

import numpy as np
import pytest

from components import features as f
from components.export import model_classes
from serving import names
from serving.classes import Classes


@pytest.fixture(scope="module")
def points():
    # The last two lie on the line exactly: their score is 0.5.
    drawn = np.random.default_rng(5).normal(0, 4, (40, 2))
    return np.vstack([drawn, [[0, 0], [1, 2]]]).astype(np.float32)


def test_serving_default_answers_with_label_and_score(exported, points):
    model = exported["points"]
    assert model_classes(str(model.folder)) == Classes(("negative", "positive"))
    answer = model.call(names.SIGNATURE_SERVING, points=points)
    assert set(answer) == {names.OUTPUT_LABEL, names.OUTPUT_SCORE}
    score = points.astype(np.float64) @ [0.5, -0.25] + 0.5
    assert answer[names.OUTPUT_SCORE].dtype == np.float32
    np.testing.assert_allclose(answer[names.OUTPUT_SCORE], score, atol=1e-5)
    labels = [b"positive" if value > 0.5 else b"negative" for value in score]
    assert answer[names.OUTPUT_LABEL].tolist() == labels
    assert set(labels) == {b"positive", b"negative"}
    assert labels[-2:] == [b"negative"] * 2
    # Scores are no probabilities: they leave [0, 1] on both sides.
    assert score.min() < -1 and score.max() > 2


def test_from_examples_answers_the_same(exported, points, serialize):
    model = exported["points"]
    examples = [serialize({f.POINT_X: x, f.POINT_Y: y}) for x, y in points.tolist()]
    direct = model.call(names.SIGNATURE_SERVING, points=points)
    answer = model.call(names.SIGNATURE_FROM_EXAMPLES, examples=examples)
    assert set(answer) == set(direct)
    for name, value in answer.items():
        np.testing.assert_array_equal(value, direct[name])


def test_there_are_no_other_endpoints(exported):
    signatures = exported["points"].loaded.signatures
    assert set(signatures) == {names.SIGNATURE_SERVING, names.SIGNATURE_FROM_EXAMPLES}
    (_, inputs) = signatures[names.SIGNATURE_SERVING].structured_input_signature
    assert inputs[names.INPUT_POINTS].shape.as_list() == [None, 2]
