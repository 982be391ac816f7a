"""The endpoints of a model of points, against NumPy."""

import numpy as np
import pytest

from components import features as f
from components import models
from components.export import model_classes
from components.tasks import get_task
from serving import names
from serving.classes import Classes

WEIGHTS = (np.array([[0.5], [-0.25]], np.float32), np.array([0.5], np.float32))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    import tensorflow as tf

    from components.export.saved_model import ExportOptions, export_model

    folder = tmp_path_factory.mktemp("points") / "model"
    model = models.build("linear", None, 2)
    model.set_weights(WEIGHTS)
    classes = Classes(("negative", "positive"))
    export_model(
        model,
        folder,
        task=get_task("points"),
        classes=classes,
        side=None,
        options=ExportOptions(models.spec("linear")),
    )
    assert model_classes(str(folder)) == classes
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="module")
def points():
    # The last two lie on the line exactly: their score is 0.5.
    drawn = np.random.default_rng(5).normal(0, 4, (40, 2))
    return np.vstack([drawn, [[0, 0], [1, 2]]]).astype(np.float32)


def _expected(points):
    score = points.astype(np.float64) @ WEIGHTS[0][:, 0] + WEIGHTS[1][0]
    return score, [b"positive" if value > 0.5 else b"negative" for value in score]


def test_serving_default_answers_with_label_and_score(saved, points):
    import tensorflow as tf

    answer = saved.signatures[names.SIGNATURE_SERVING](points=tf.constant(points))
    assert set(answer) == {names.OUTPUT_LABEL, names.OUTPUT_SCORE}
    score, labels = _expected(points)
    assert answer[names.OUTPUT_SCORE].dtype == tf.float32
    np.testing.assert_allclose(answer[names.OUTPUT_SCORE].numpy(), score, atol=1e-5)
    assert answer[names.OUTPUT_LABEL].numpy().tolist() == labels
    assert set(labels) == {b"positive", b"negative"}
    assert labels[-2:] == [b"negative"] * 2
    # Scores are no probabilities: they leave [0, 1] on both sides.
    assert score.min() < -1 and score.max() > 2


def test_from_examples_answers_the_same(saved, points, serialize):
    import tensorflow as tf

    examples = [serialize({f.POINT_X: x, f.POINT_Y: y}) for x, y in points.tolist()]
    direct = saved.signatures[names.SIGNATURE_SERVING](points=tf.constant(points))
    answer = saved.signatures[names.SIGNATURE_FROM_EXAMPLES](examples=tf.constant(examples))
    assert set(answer) == set(direct)
    for name in answer:
        np.testing.assert_array_equal(answer[name].numpy(), direct[name].numpy())


def test_there_are_no_other_endpoints(saved):
    assert set(saved.signatures) == {names.SIGNATURE_SERVING, names.SIGNATURE_FROM_EXAMPLES}
    (_, inputs) = saved.signatures[names.SIGNATURE_SERVING].structured_input_signature
    assert inputs[names.INPUT_POINTS].shape.as_list() == [None, 2]
