import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components import features as f
from components.artifacts import EXPLANATIONS
from components.explanations.grading import rivals_of
from components.explanations.methods import grad_cam
from components.models import ModelSpec
from components.models.blocks import class_output
from components.preprocessing import decode_images
from serving import names
from serving.classes import Classes
from serving.errors import InputError

SIDE, STORED, COUNT = 16, 24, 36
CLASSES = Classes(("red", "blue"))
TASK = "image_classification"
MOSAIC = "explanation/mosaic"
ASKED = {MOSAIC: {"min": 0.65, "judge": "lower"}}


def picture(rng, label, size=10):
    """A square of the class's colour on grey: uint8 [STORED, STORED, 3], and where it is."""
    pixels = rng.uniform(90, 110, (STORED, STORED, 3))
    top, left = rng.integers(1, STORED - size - 1, 2)
    mask = np.zeros((STORED, STORED), np.uint8)
    mask[top : top + size, left : left + size] = 255
    pixels[mask > 0] = (255, 0, 0) if label == 0 else (0, 0, 255)
    return pixels.astype(np.uint8), mask


SIZES = {"small": 8, "medium": 12, "large": 18}  # of squares: 0.11, 0.25, 0.56 of the picture


def shown_with(sizes):
    """Values of Examples; every fifth label is wrong."""
    rng = np.random.default_rng(5)
    made = []
    for number in range(COUNT):
        truth = number % 2
        label = truth if number % 5 else 1 - truth
        pixels, mask = picture(rng, truth, sizes[number % len(sizes)])
        made.append(
            {
                f.KEY: f"{number:08x}",
                f.IMAGE: pixels,
                f.LABEL: label,
                f.LABEL_NAME: CLASSES.names[label],
                f.OBJECT_MASK: mask,
            }
        )
    return made


@pytest.fixture(scope="session")
def shown():
    return shown_with([10])


@pytest.fixture(scope="session")
def examples(shown, write_examples, tmp_path_factory):
    """By name: with masks (in two orders), without, and with one of each size and none in turn."""
    bare = [{k: v for k, v in one.items() if k != f.OBJECT_MASK} for one in shown]
    sized = shown_with([*SIZES.values(), 10])
    for one in sized[3::4]:
        del one[f.OBJECT_MASK]
    kinds = {"masked": shown, "turned": shown[::-1], "bare": bare, "sized": sized}
    return {
        name: write_examples(tmp_path_factory.mktemp(name), {"test": some}, CLASSES)
        for name, some in kinds.items()
    }


@pytest.fixture(scope="session")
def models(save_model, tmp_path_factory):
    """By name, a Model that tells red from blue and explains itself well, blindly or not at all."""
    pictures = tf.TensorSpec([None], tf.string, name=names.INPUT_IMAGE_BYTES)
    stored = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
    asked = tf.TensorSpec([None], tf.int32, name=names.INPUT_CLASS_INDEX)

    def build(explanation, side):
        def answer(encoded):
            images = decode_images(encoded, side)
            bluer = tf.reduce_mean(images[..., 2] - images[..., 0], axis=[1, 2])
            blue = tf.sigmoid((bluer - 15) / 20)  # what is hardly blue is called red
            return {names.OUTPUT_PROBABILITIES: tf.stack([1 - blue, blue], axis=1)}

        def from_examples(examples):
            spec = {f.IMAGE: tf.io.FixedLenFeature([], tf.string)}
            return answer(tf.io.parse_example(examples, spec)[f.IMAGE])

        def explain(image_bytes, class_index):
            images = decode_images(image_bytes, side)
            bluer = images[..., 2] - images[..., 0]
            heat = tf.nn.relu(tf.where(class_index[:, None, None] == 1, bluer, -bluer))
            heat = tf.where(heat > 100, heat, 0.0) if explanation == "seeing" else 0 * heat + 0.5
            return {names.OUTPUT_HEATMAP: heat / 255}

        signatures = {
            names.SIGNATURE_SERVING: (answer, pictures),
            names.SIGNATURE_FROM_EXAMPLES: (from_examples, stored),
        }
        if explanation:
            signatures[names.SIGNATURE_GRAD_CAM] = (explain, pictures, asked)
        return save_model(tmp_path_factory.mktemp(str(explanation)), signatures, CLASSES)

    made = {name: build(name, SIDE) for name in ("seeing", "blind", None)}
    return made | {"odd": build("seeing", SIDE + 1)}


@pytest.fixture(scope="session")
def run(evaluate, examples, models):
    """run(candidate, baseline=None, data="masked", **config)."""

    def with_models(candidate, baseline="", data="masked", **config):
        given = {"graded_images": COUNT, "confidence_intervals": True, "thresholds": ASKED}
        served = models[baseline] if baseline != "" else None
        return evaluate(TASK, examples[data], models[candidate], served, **given | config)

    return with_models


@pytest.fixture(scope="session")
def seeing(run):
    asked = ASKED | {
        "explanation/object_dependence": {"min": 0.1},
        "explanation/faithfulness": {"min": 0.0, "judge": "lower"},
    }
    return run("seeing", "blind", thresholds=asked, slices=[f.LABEL_NAME], min_slice_size=5)


def kept(outcome):
    return {line["key"]: line for line in outcome.lines(EXPLANATIONS)}


def test_a_seeing_explanation_is_blessed_and_a_blind_one_refused(seeing, run):
    seeing.assert_blessed(True)
    blind = run("blind")
    blind.assert_blessed(False)
    (check,) = blind.result["checks"]
    assert check["value"] == pytest.approx(0.5)
    message = "lower end of 95% interval of explanation/mosaic is 0.5000, at least 0.65 needed"
    assert check["message"] == message


def test_grades_of_a_known_model(seeing, shown):
    right = 1 - np.mean([one[f.LABEL] != n % 2 for n, one in enumerate(shown)])
    assert seeing.figure("accuracy")["value"] == pytest.approx(right)
    value = {
        x["metric"].partition("/")[2]: x["value"]
        for x in seeing.result["figures"]
        if x["slice"] == "overall" and "/" in x["metric"]
    }
    assert value["faithfulness"] > 0.02
    # What is explained is the predicted class; on mosaics it is the true one, for which the
    # partner of a wrongly labelled picture has heat; for the other, its two rivals have most.
    assert min(line["values"]["faithfulness"] for line in kept(seeing).values()) > 0
    assert 0.6 < seeing.figure(MOSAIC, "right=no")["value"] < 0.9
    # The heat is on the square and nowhere else, which has 100 of 576 pixels.
    assert value["energy_above_area"] == pytest.approx(1 - 100 / 576, abs=0.1)
    assert value["pointing"] == 1 > value["pointing_of_blob"]
    assert value["iou"] > 0.8 > value["iou_of_blob"]
    # Without its square every picture is called red; without the rest nothing is lost.
    assert value["object_dependence"] == pytest.approx(right - 0.5)
    assert value["background_dependence"] == 0
    blind = {x["metric"]: x["baseline"] for x in seeing.result["figures"]}
    assert blind[MOSAIC] == pytest.approx(0.5)


def test_slices_by_class_and_by_right_and_wrong(seeing, shown):
    wrong = {one[f.KEY] for n, one in enumerate(shown) if one[f.LABEL] != n % 2}
    lines = kept(seeing)
    assert {k for k, one in lines.items() if one["label"] != one["predicted"]} == wrong
    for name, keys in (("yes", lines.keys() - wrong), ("no", wrong)):
        figure = seeing.figure(MOSAIC, f"right={name}")
        values = np.array([lines[key]["values"]["mosaic"] for key in keys])
        assert figure["examples"] == len(keys)
        assert figure["value"] == pytest.approx(values.mean())
        half = 1.96 * values.std() / np.sqrt(len(values))
        assert figure["lower"] == pytest.approx(figure["value"] - half, abs=1e-4)
        assert figure["upper"] == pytest.approx(min(figure["value"] + half, 1), abs=1e-4)
    signs = [x["lower"] for x in seeing.result["figures"] if x["metric"].endswith("_dependence")]
    assert min(signs) < 0
    assert seeing.figure(MOSAIC, f"{f.LABEL_NAME}=red")["examples"] == COUNT // 2
    assert MOSAIC not in {x["metric"] for x in seeing.result["figures"] if x["class"]}


def test_slices_by_size_of_the_object(run):
    outcome = run("seeing", data="sized")
    lines = kept(outcome)
    named = {x["slice"] for x in outcome.result["figures"] if x["slice"].startswith("object_size")}
    assert named == {f"object_size={name}" for name in SIZES}
    for at, name in enumerate(SIZES):
        values = [lines[f"{n:08x}"]["values"]["mosaic"] for n in range(at, COUNT, 4)]
        figure = outcome.figure(MOSAIC, f"object_size={name}")
        assert figure["examples"] == COUNT // 4
        assert figure["value"] == pytest.approx(np.mean(values))


@pytest.fixture(scope="session")
def trained(shown, export_as, make_artifact, tmp_path_factory):
    """trained(explain) gives a Model as the trainer exports it."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="stem")(inputs / 255)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="trunk_output")(x)
    model = keras.Model(inputs, class_output(keras.layers.GlobalAveragePooling2D()(x), 2))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    images = tf.image.resize([one[f.IMAGE] for one in shown], (SIDE, SIDE))
    model.fit(images, np.arange(COUNT) % 2, epochs=40, verbose=0)
    assert (model.predict(images, verbose=0).argmax(1) == np.arange(COUNT) % 2).all()

    def export(explain):
        folder = tmp_path_factory.mktemp("trained")
        spec, target = ModelSpec("tiny", "elsewhere:build"), folder / "Format-Serving"
        export_as(TASK, spec, model, target, *CLASSES.names, explain=explain)
        return make_artifact(standard_artifacts.Model, folder)

    return export


def edges(trunk, head, images, score):
    """Of the picture, whatever the weights are."""
    _, probabilities = head(trunk(images, training=False), training=False)
    return tf.reduce_sum(tf.abs(tf.image.sobel_edges(images)), [-1, -2]), probabilities


def test_a_method_that_ignores_the_weights_is_refused(run, models, trained):
    asked = {"explanation/weight_dependence": {"min": 0.5}}
    for explain, blessed in ((grad_cam, True), (edges, False)):
        models[explain] = trained(explain)
        outcome = run(explain, graded_images=20, thresholds=asked)
        outcome.assert_blessed(blessed)
        values = [line["values"].get("weight_dependence") for line in outcome.lines(EXPLANATIONS)]
        assert values[16:] == [None] * 4
        values = [value for value in values if value is not None]  # where there is heat
        assert len(values) > 6
        figure = outcome.figure("explanation/weight_dependence")
        assert figure["value"] == pytest.approx(np.mean(values))
        assert figure["lower"] <= figure["value"] <= figure["upper"]
        curve = outcome.result["sanity"]
        assert [(x["randomised"], x["of"]) for x in curve] == [(n, 3) for n in (1, 2, 3)]
        assert curve[-1]["correlation"] == pytest.approx(1 - figure["value"])
        # What speaks for a class stands in the output's layer, which goes first.
        assert np.allclose([x["correlation"] for x in curve], 1) != (curve[0]["correlation"] < 0.9)


def test_the_same_pictures_in_every_run_whatever_their_order(run, seeing):
    few = [kept(run("seeing", data=data, graded_images=20)) for data in ("masked", "turned")]
    assert few[0] == few[1]
    assert len(few[0]) == 20
    assert few[0].keys() < kept(seeing).keys()


def test_worse_explained_than_the_served_model(run):
    asked = {MOSAIC: {"max_drop": 0.05}}
    worse = run("blind", "seeing", thresholds=asked)
    worse.assert_blessed(False)
    assert "at most 0.05 below" in worse.result["checks"][0]["message"]
    run("seeing", "blind", thresholds=asked).assert_blessed(True)


def test_a_served_model_that_explains_nothing_is_not_compared_with(run):
    outcome = run("odd", None, thresholds=ASKED | {MOSAIC: {"max_drop": 0.0}}, graded_images=12)
    assert outcome.figure(MOSAIC)["baseline"] is None
    assert outcome.figure(MOSAIC)["value"] > 0.6  # of an odd side, too
    outcome.assert_blessed(True)


def test_without_masks_what_needs_none_is_graded(run):
    outcome = run("seeing", data="bare", graded_images=12)
    found = {x["metric"] for x in outcome.result["figures"] if "/" in x["metric"]}
    assert found == {MOSAIC, "explanation/faithfulness"}


def test_what_cannot_be_graded_is_told_in_one_line(run):
    dependence = {"explanation/object_dependence": {"min": 0.1}}
    line = (
        r"^evaluator\.thresholds\.explanation/object_dependence: expected Examples with masks of"
        r" their objects, found none of 36 test pictures has one$"
    )
    with pytest.raises(InputError, match=line):
        run("seeing", data="bare", thresholds=dependence)
    with pytest.raises(InputError, match=r"graded_images: expected a model with the endpoint grad"):
        run(None)


def test_rivals_are_what_a_class_is_taken_for():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [
            [0.1, 0.8, 0.1, 0.0],  # 0 taken for 1
            [0.1, 0.1, 0.8, 0.0],  # and for 2, twice
            [0.2, 0.0, 0.8, 0.0],
            [0.1, 0.5, 0.0, 0.4],  # never; 3 is likelier, but there are no pictures of it
            [0.1, 0.5, 0.2, 0.2],
            [0.3, 0.1, 0.6, 0.0],
        ]
    )
    assert rivals_of(probabilities, labels)[:3] == [2, 0, 0]
