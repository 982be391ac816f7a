import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components import features as f
from components.export import model_classes
from serving import names
from serving.classes import Classes

KINDS = {"classification": ("classification", "five"), "segmentation": ("segmentation", "regions")}
CASES = sum(KINDS.values(), ())
# Outputs with their types: of explanations, of the answer of each kind, and what only that has.
TEXT, FLOAT, BYTE = "string", "float32", "uint8"
LABEL = {names.OUTPUT_LABEL: TEXT, names.OUTPUT_PROBABILITY: FLOAT}
EXPLANATION = LABEL | {names.OUTPUT_HEATMAP: FLOAT, names.OUTPUT_OVERLAY_PNG: TEXT}
ANSWER = {
    "classification": LABEL | {names.OUTPUT_PROBABILITIES: FLOAT},
    "segmentation": {
        names.OUTPUT_MASK: BYTE,
        names.OUTPUT_MASK_PNG: TEXT,
        names.OUTPUT_CLASS_FRACTIONS: FLOAT,
    },
}
OWN = {
    "classification": {
        names.SIGNATURE_CLASSIFY: {names.OUTPUT_CLASSES: TEXT, names.OUTPUT_SCORES: FLOAT}
    },
    "segmentation": {names.SIGNATURE_LABELS: {names.OUTPUT_TRUE_MASK: BYTE}},
}


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, x) for kind, some in KINDS.items() for x in some]
)
def test_outputs_are_as_documented_and_the_classes_travel_along(exported, kind, case, tmp_path):
    assert model_classes(str(exported[case].folder)) == Classes(exported[case].classes)
    assert model_classes(str(tmp_path)) is None
    answer = ANSWER[kind]
    assert {
        name: {key: tensor.dtype.name for key, tensor in signature.structured_outputs.items()}
        for name, signature in exported[case].loaded.signatures.items()
    } == OWN[kind] | {
        names.SIGNATURE_SERVING: answer | {names.OUTPUT_CLASSES: TEXT},
        names.SIGNATURE_FROM_EXAMPLES: answer,
        names.SIGNATURE_GRAD_CAM: EXPLANATION,
    }


@pytest.mark.parametrize("case", CASES)
def test_shapes_and_ranges_of_every_output(exported, pictures, case, side):
    count = len(exported[case].classes)
    shapes = {  # without the batch
        names.OUTPUT_PROBABILITIES: (count,),
        names.OUTPUT_CLASSES: (count,),
        names.OUTPUT_MASK: (side, side),
        names.OUTPUT_CLASS_FRACTIONS: (count,),
        names.OUTPUT_HEATMAP: (side, side),
    }
    answers = exported[case].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    explained = exported[case].explain(pictures, -1)
    for key, value in (*answers.items(), *explained.items()):
        assert value.shape == (len(pictures), *shapes.get(key, ()))
        if value.dtype == np.float32:
            assert np.isfinite(value).all() and value.min() >= 0 and value.max() <= 1
    assert explained[names.OUTPUT_HEATMAP].max() == pytest.approx(1)


@pytest.mark.parametrize("case", CASES)
def test_from_examples_equals_serving_default(exported, pictures, examples, case):
    direct = exported[case].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    parsed = exported[case].call(names.SIGNATURE_FROM_EXAMPLES, examples=examples(pictures))
    told = direct.pop(names.OUTPUT_CLASSES).tolist()
    assert told == [[name.encode() for name in exported[case].classes]] * len(pictures)
    assert set(direct) == set(parsed)
    for key, value in direct.items():
        np.testing.assert_array_equal(parsed[key], value)


@pytest.mark.parametrize("case", ["classification", "five"])
def test_label_and_scores_follow_from_the_probabilities(exported, pictures, images, examples, case):
    model = exported[case]
    answer = model.call(names.SIGNATURE_SERVING, image_bytes=pictures)
    probabilities = answer[names.OUTPUT_PROBABILITIES]
    expected = np.asarray(model.model(images, training=False))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    best = probabilities.argmax(axis=1)
    assert len(set(best)) > 1  # else the test would not see a swapped label
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert [x.decode() for x in answer[names.OUTPUT_LABEL]] == [model.classes[i] for i in best]
    np.testing.assert_array_equal(answer[names.OUTPUT_PROBABILITY], probabilities.max(axis=1))
    classified = model.call(names.SIGNATURE_CLASSIFY, inputs=examples(pictures))
    np.testing.assert_allclose(classified[names.OUTPUT_SCORES], probabilities, atol=1e-6)
    expected = [[name.encode() for name in model.classes]] * len(pictures)
    assert classified[names.OUTPUT_CLASSES].tolist() == expected


@pytest.mark.parametrize("signature", [names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM])
@pytest.mark.parametrize("bad", [b"", b"no picture", "cut short"])
def test_bytes_that_are_no_picture_are_refused(exported, pictures, signature, bad):
    bad = pictures[0][: len(pictures[0]) // 2] if bad == "cut short" else bad
    more = {"class_index": np.int32([-1])} if signature == names.SIGNATURE_GRAD_CAM else {}
    with pytest.raises(tf.errors.InvalidArgumentError):
        exported["classification"].call(signature, image_bytes=[pictures[0], bad], **more)


@pytest.mark.parametrize("case", ["classification", "segmentation"])
def test_a_batch_of_nothing_is_refused(exported, case):
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected at least one"):
        exported[case].call(names.SIGNATURE_SERVING, image_bytes=np.array([], "S1"))


@pytest.mark.parametrize("case", ["segmentation", "regions"])
def test_masks_decode_and_fractions_count_their_pixels(exported, pictures, images, case):
    answer = exported[case].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    masks, count = answer[names.OUTPUT_MASK], len(exported[case].classes)
    output = np.asarray(exported[case].model(images, training=False))
    assert (masks != output.argmax(axis=-1)).mean() < 1e-3  # a rounding may tip over
    assert set(np.unique(masks)) == set(range(count))
    for encoded, mask in zip(answer[names.OUTPUT_MASK_PNG], masks, strict=True):
        picture = Image.open(io.BytesIO(encoded))
        assert (picture.format, picture.mode) == ("PNG", "L")
        np.testing.assert_array_equal(np.asarray(picture), mask)
    fractions = answer[names.OUTPUT_CLASS_FRACTIONS]
    np.testing.assert_allclose(fractions.sum(axis=1), 1, atol=1e-6)
    counted = [[np.mean(mask == index) for index in range(count)] for mask in masks]
    np.testing.assert_allclose(fractions, counted, atol=1e-6)


def test_the_true_mask_keeps_its_ids(exported, pictures, examples, encode, side):
    mask = np.random.default_rng(4).integers(0, 3, (100, 48)).astype(np.uint8)
    answer = exported["segmentation"].call(
        names.SIGNATURE_LABELS, examples=examples(pictures[:1], encode(mask))
    )
    rows = ((np.arange(side) + 0.5) * 100 / side).astype(int)
    columns = ((np.arange(side) + 0.5) * 48 / side).astype(int)
    np.testing.assert_array_equal(answer[names.OUTPUT_TRUE_MASK][0], mask[rows[:, None], columns])


def test_points_are_answered_with_label_and_score(exported, serialize):
    # The last two lie on the line exactly: their score is 0.5.
    drawn = np.random.default_rng(5).normal(0, 4, (40, 2))
    points = np.vstack([drawn, [[0, 0], [1, 2]]]).astype(np.float32)
    model = exported["points"]
    assert model_classes(str(model.folder)) == Classes(("negative", "positive"))
    signatures = model.loaded.signatures
    assert set(signatures) == {names.SIGNATURE_SERVING, names.SIGNATURE_FROM_EXAMPLES}
    (_, inputs) = signatures[names.SIGNATURE_SERVING].structured_input_signature
    assert inputs[names.INPUT_POINTS].shape.as_list() == [None, 2]

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

    examples = [serialize({f.POINT_X: x, f.POINT_Y: y}) for x, y in points.tolist()]
    parsed = model.call(names.SIGNATURE_FROM_EXAMPLES, examples=examples)
    assert set(parsed) == set(answer)
    for name, value in parsed.items():
        np.testing.assert_array_equal(value, answer[name])
