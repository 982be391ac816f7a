"""What the exported endpoints answer, number by number against Keras and each other."""

import io

import numpy as np
import pytest
from PIL import Image

from components import features as f
from serving import names

PROBLEMS = ("classification", "segmentation")
EXPLANATION = {
    names.OUTPUT_HEATMAP,
    names.OUTPUT_OVERLAY_PNG,
    names.OUTPUT_LABEL,
    names.OUTPUT_PROBABILITY,
}
ANSWER = {
    "classification": {names.OUTPUT_LABEL, names.OUTPUT_PROBABILITY, names.OUTPUT_PROBABILITIES},
    "segmentation": {names.OUTPUT_MASK, names.OUTPUT_MASK_PNG, names.OUTPUT_CLASS_FRACTIONS},
}
OWN = {  # what only one problem has
    "classification": {names.SIGNATURE_CLASSIFY: {names.OUTPUT_CLASSES, names.OUTPUT_SCORES}},
    "segmentation": {names.SIGNATURE_LABELS: {names.OUTPUT_TRUE_MASK}},
}
DTYPES = {
    names.OUTPUT_LABEL: "string",
    names.OUTPUT_PROBABILITY: "float32",
    names.OUTPUT_PROBABILITIES: "float32",
    names.OUTPUT_CLASSES: "string",
    names.OUTPUT_SCORES: "float32",
    names.OUTPUT_MASK: "uint8",
    names.OUTPUT_MASK_PNG: "string",
    names.OUTPUT_CLASS_FRACTIONS: "float32",
    names.OUTPUT_TRUE_MASK: "uint8",
    names.OUTPUT_HEATMAP: "float32",
    names.OUTPUT_OVERLAY_PNG: "string",
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_outputs_are_as_documented(exported, problem):
    signatures = exported[problem].loaded.signatures
    expected = OWN[problem] | {
        names.SIGNATURE_SERVING: ANSWER[problem],
        names.SIGNATURE_FROM_EXAMPLES: ANSWER[problem],
        names.SIGNATURE_GRAD_CAM: EXPLANATION,
    }
    assert set(signatures) == set(expected)
    for name, outputs in expected.items():
        assert {k: v.dtype.name for k, v in signatures[name].structured_outputs.items()} == {
            key: DTYPES[key] for key in outputs
        }


@pytest.mark.parametrize("problem", PROBLEMS)
def test_shapes_and_ranges_of_every_output(exported, pictures, problem, side):
    shapes = {  # without the batch
        names.OUTPUT_PROBABILITIES: (2,),
        names.OUTPUT_MASK: (side, side),
        names.OUTPUT_CLASS_FRACTIONS: (3,),
        names.OUTPUT_HEATMAP: (side, side),
    }
    answers = exported[problem].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    explained = exported[problem].explain(pictures, -1)
    for key, value in (*answers.items(), *explained.items()):
        assert value.shape == (len(pictures), *shapes.get(key, ()))
        if value.dtype == np.float32:
            assert np.isfinite(value).all() and value.min() >= 0 and value.max() <= 1
    assert explained[names.OUTPUT_HEATMAP].max() == pytest.approx(1)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_from_examples_equals_serving_default(exported, pictures, examples, problem):
    direct = exported[problem].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    parsed = exported[problem].call(names.SIGNATURE_FROM_EXAMPLES, examples=examples(pictures))
    assert set(direct) == set(parsed)
    for key, value in direct.items():
        np.testing.assert_array_equal(parsed[key], value)


def test_label_and_probability_follow_from_the_probabilities(exported, pictures):
    answer = exported["classification"].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    probabilities = answer[names.OUTPUT_PROBABILITIES]
    best = probabilities.argmax(axis=1)
    assert set(best) == {0, 1}  # else the test would not see a swapped label
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert [x.decode() for x in answer[names.OUTPUT_LABEL]] == [f.CLASS_NAMES[i] for i in best]
    np.testing.assert_array_equal(answer[names.OUTPUT_PROBABILITY], probabilities.max(axis=1))


def test_classify_gives_every_class_its_score(exported, pictures, examples):
    model = exported["classification"]
    answer = model.call(names.SIGNATURE_CLASSIFY, inputs=examples(pictures))
    direct = model.call(names.SIGNATURE_SERVING, image_bytes=pictures)
    np.testing.assert_allclose(
        answer[names.OUTPUT_SCORES], direct[names.OUTPUT_PROBABILITIES], atol=1e-6
    )
    assert answer[names.OUTPUT_CLASSES].tolist() == [
        [name.encode() for name in f.CLASS_NAMES] for _ in pictures
    ]


@pytest.mark.parametrize("signature", [names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM])
@pytest.mark.parametrize("bad", [b"", b"no picture", "cut short"])
def test_bytes_that_are_no_picture_are_refused(exported, pictures, signature, bad):
    import tensorflow as tf

    bad = pictures[0][: len(pictures[0]) // 2] if bad == "cut short" else bad
    more = {"class_index": np.int32([-1])} if signature == names.SIGNATURE_GRAD_CAM else {}
    with pytest.raises(tf.errors.InvalidArgumentError):
        exported["classification"].call(signature, image_bytes=[pictures[0], bad], **more)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_batch_of_nothing_is_refused(exported, problem):
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match="expected at least one"):
        exported[problem].call(names.SIGNATURE_SERVING, image_bytes=np.array([], "S1"))


def test_masks_decode_and_fractions_count_their_pixels(exported, pictures):
    answer = exported["segmentation"].call(names.SIGNATURE_SERVING, image_bytes=pictures)
    masks = answer[names.OUTPUT_MASK]
    assert set(np.unique(masks)) == {0, 1, 2}
    for encoded, mask in zip(answer[names.OUTPUT_MASK_PNG], masks, strict=True):
        picture = Image.open(io.BytesIO(encoded))
        assert (picture.format, picture.mode) == ("PNG", "L")
        np.testing.assert_array_equal(np.asarray(picture), mask)
    fractions = answer[names.OUTPUT_CLASS_FRACTIONS]
    np.testing.assert_allclose(fractions.sum(axis=1), 1, atol=1e-6)
    counted = [[np.mean(mask == index) for index in range(3)] for mask in masks]
    np.testing.assert_allclose(fractions, counted, atol=1e-6)


def test_the_true_mask_keeps_its_ids(exported, pictures, examples, encode, side):
    mask = np.random.default_rng(4).integers(0, 3, (100, 48)).astype(np.uint8)
    answer = exported["segmentation"].call(
        names.SIGNATURE_LABELS, examples=examples(pictures[:1], encode(mask))
    )
    rows = ((np.arange(side) + 0.5) * 100 / side).astype(int)
    columns = ((np.arange(side) + 0.5) * 48 / side).astype(int)
    np.testing.assert_array_equal(answer[names.OUTPUT_TRUE_MASK][0], mask[rows[:, None], columns])
